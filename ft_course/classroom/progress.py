"One file that the learner owns: guesses, quiz answers, exercises, panel settings."
import contextlib
import json
import warnings
from pathlib import Path

from ft_course.classroom.quizzes import quiz_names
from ft_course.classroom.solutions import exercise_names
from ft_course.core import CourseError, locked, write_json


def learner_folder() -> Path | None:
    "The top folder of the learner's copy of the course that this is in, or None outside of one."
    place = Path.cwd()
    return next((folder for folder in (place, *place.parents) if (folder/".course.json").is_file()), None)

FILE, FORMAT = "progress.json", 1
_memory = {}


def _file() -> Path | None:
    folder = learner_folder()
    return folder and folder/FILE


def _read(file: Path) -> dict:
    "The file's content. Raises `CourseError` for one that this version cannot read; the file stays as it is."
    if not file.exists(): return {}
    try: content = json.loads(file.read_text(encoding="utf-8-sig"))   # some editors add a mark at the beginning
    except (ValueError, OSError, RecursionError) as err:
        raise CourseError(f"{file.name} cannot be read ({err}); mend it, or rename it and a new one is begun. "
                          "Until then nothing is kept.") from err
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        said = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise CourseError(f"{file.name} has format {said!r} and this version of the course reads format "
                          f"{FORMAT}; use the version that wrote it, or rename it and a new one is begun. "
                          "Until then nothing is kept.")
    return content


def recall(
    kind: str,   # "guesses", "quizzes", "exercises" or "panels"
    name: str = None,  # "06.warmup", say; None for all of the kind
) -> dict:       # the entry, or name -> entry; empty where there is nothing
    """What the learner's file says. A file that cannot be read is a warning, and counts as empty, as does what stands in it
    by hand and is no entry."""
    file = _file()
    try: content = _memory if file is None else _read(file)
    except CourseError as err:
        warnings.warn(str(err), stacklevel=2)
        content = {}
    found = content.get(kind)
    entries = {n: e for n, e in found.items() if isinstance(e, dict)} if isinstance(found, dict) else {}
    return entries if name is None else dict(entries.get(name, {}))


def done(
    kind: str,     # "quizzes" or "exercises"
    chapter: str,  # "06"
) -> dict:         # name -> is it right?
    "The chapter's questions or exercises, in order, and whether they are answered right."
    names, key = (quiz_names(), "right") if kind == "quizzes" else (exercise_names(), "solved")
    entries = recall(kind)
    return {n: bool(entries.get(n, {}).get(key)) for n in names if n.startswith(f"{chapter}.")}


def _plain(value):
    "Numbers and arrays of NumPy and PyTorch as Python's own; anything else as its text."
    return value.tolist() if hasattr(value, "tolist") else str(value)


def keep(
    kind: str,
    name: str,
    **values,    # numbers, texts, lists of them; None removes one
) -> dict:       # the entry as it is now
    """Adds the values to an entry of the learner's file, outside a learner's copy to memory.
    Raises `CourseError` when the file cannot be read or written; it is then as it was."""
    file, values = _file(), json.loads(json.dumps(values, default=_plain))
    with locked(file.with_name(f".{file.name}.lock")) if file else contextlib.nullcontext():
        content = _memory if file is None else _read(file)
        entries = content.setdefault(kind, {})
        entry = entries[name] = {k: v for k, v in (entries.get(name, {}) | values).items() if v is not None}
        content["format"] = FORMAT
        if file is not None:
            write_json(content, file, indent=1, ensure_ascii=False)
    return entry


def try_to_keep(kind: str, name: str, **values) -> list[str]:
    "Keeps the values, as `keep` does; the sentence about what went wrong, if anything did."
    try: keep(kind, name, **values)
    except CourseError as err: return [str(err)]
    return []
