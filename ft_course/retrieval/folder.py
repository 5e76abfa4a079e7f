"A folder of text files, and an index that follows it."
import hashlib
from pathlib import Path

from ft_course.core import CourseError, atomic_path, cache_dir, progress, scratch
from ft_course.retrieval.encoder import Encoder
from ft_course.retrieval.index import DocumentIndex

ENDINGS = (".txt", ".md")


def index_place(name: str) -> Path:
    "A folder in the course's cache; where that may not be written to, one that goes away with the process."
    place = cache_dir()/"lancedb"/name   # before 0.5 there were "indexes" of another make
    try: place.mkdir(parents=True, exist_ok=True)
    except OSError: return Path(scratch().name)/name
    return place


def read_folder(folder) -> dict[str, str]:   # path inside the folder -> text
    """The text files (`ENDINGS`) of a folder and its subfolders; hidden and empty ones are left out. Raises `ValueError`
    for what is no folder and for a file that is not UTF-8, `CourseError` for one that cannot be read."""
    folder = Path(folder).expanduser()
    if not folder.is_dir(): raise ValueError(f"{folder} is no folder; give the path of one with text files")
    found = {}
    for file in sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file()):
        name = file.relative_to(folder)
        if any(part.startswith(".") for part in name.parts): continue
        try: text, _ = file.read_text(encoding="utf-8-sig"), str(name).encode()
        except UnicodeDecodeError as err:
            raise ValueError(f"{file} is not UTF-8 (byte {err.start}); save it as UTF-8, or move it elsewhere") from err
        except UnicodeEncodeError:
            raise ValueError(f"the file name {ascii(str(name))} is not UTF-8; rename the file") from None
        except OSError as err:
            raise CourseError(f"{file} cannot be read ({err.strerror}); see whether it is still there and may be read, "
                              "and try again.") from err
        if text.strip(): found[name.as_posix()] = text
    return found


def folder_index(
    folder,
    kept_in=None,   # where the index is kept; by default in the course's cache
    **settings,     # as of `DocumentIndex`
) -> DocumentIndex:
    """The index of a folder of text files, brought up to date: new and changed files are added, those that
    are gone are deleted, from the disk as well. Raises `ValueError` when `kept_in` holds another index."""
    source = Path(folder).expanduser().resolve()
    texts = read_folder(source)
    about = Encoder(settings["model"]).about if "model" in settings else {"name": "", "weights": ""}
    name = "\n".join(part for part in (str(source), about["name"], about["weights"]) if part)
    name = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:12]
    index = DocumentIndex(kept_in or index_place(f"folder-{name}"), **settings)
    note = index.folder/"source.txt"
    if not note.is_file() or note.read_text(encoding="utf-8") != ascii(str(source)):
        if index.documents and kept_in:   # what stands in it would be deleted
            raise ValueError(f"{kept_in} holds an index of something else; give another folder as kept_in")
        with atomic_path(note) as tmp: tmp.write_text(ascii(str(source)), encoding="utf-8")
    if gone := [name for name in index.documents if name not in texts]:
        index.delete(gone)
        index.compact()
    if not texts: raise ValueError(f"{folder} holds no text in files that end in {' or '.join(ENDINGS)}")
    new = {name: text for name, text in texts.items() if name not in index or index.passages(name) != index.cut(text)}
    for start in progress(range(0, len(new), 100), "indexing", unit="batch"):
        index.add(dict(list(new.items())[start:start + 100]))
    return index
