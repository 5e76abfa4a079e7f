"""One file that the learner owns: guesses, quiz answers, exercises, panel settings; and pages that show it"""


import contextlib, html, json, os, threading, warnings
from pathlib import Path

from ft_course.core import CourseError, atomic_path, disk_error

def learner_folder(
    start=".",  # where to look from, upwards
) -> Path | None:
    "The top folder of the learner's copy of the course, or None outside of one."
    place = Path(start).resolve()
    return next((folder for folder in (place, *place.parents) if (folder/".course.json").is_file()), None)

KINDS = ("guesses", "quizzes", "exercises", "panels")
FILE, FORMAT = "progress.json", 1
_memory, _memory_lock = {}, threading.RLock()

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

@contextlib.contextmanager
def _locked(file: Path | None):
    "Only one notebook at a time goes through here."
    if file is None:
        with _memory_lock: yield
        return
    from filelock import FileLock, Timeout
    lock = FileLock(file.with_name(f".{file.name}.lock"), timeout=10)
    try: lock.acquire()
    except Timeout as err:
        raise CourseError(f"{file.name} has been in use by another notebook for ten seconds; "
                          "close the other one or restart its kernel, then try again.") from err
    except OSError as err: raise disk_error(err, file) from err
    try: yield
    finally: lock.release()

def _known(kind: str):
    if kind not in KINDS: raise ValueError(f"there is no kind {kind!r} of entry; there are {', '.join(KINDS)}")

def _entries(content: dict, kind: str) -> dict:
    "The entries of a kind that are what they should be; one that was edited into something else is left out."
    entries = content.get(kind)
    return {k: v for k, v in entries.items() if isinstance(v, dict)} if isinstance(entries, dict) else {}

def recall(
    kind: str,   # one of `KINDS`
    name: str = None,  # "06.warmup", say; None for all of the kind
) -> dict:       # the entry, or name -> entry; empty where there is nothing
    "What the learner's file says. A file that cannot be read is a warning, and counts as empty."
    _known(kind)
    file = _file()
    try: content = _memory if file is None else _read(file)
    except CourseError as err:
        warnings.warn(str(err), stacklevel=2)
        content = {}
    entries = _entries(content, kind)
    return dict(entries if name is None else entries.get(name, {}))

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
    _known(kind)
    file, values = _file(), json.loads(json.dumps(values, default=_plain))
    with _locked(file):
        content = _memory if file is None else _read(file)
        entry = {k: v for k, v in (_entries(content, kind).get(name, {}) | values).items() if v is not None}
        content["format"] = FORMAT
        content[kind] = _entries(content, kind) | {name: entry}
        if file is not None:
            with atomic_path(file) as tmp:
                tmp.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    return entry

CORE = ("01", "02", "03", "04", "05", "06", "07", "08", "09",   # the core path
        "12", "15", "16", "21", "27", "28")

def contents() -> dict[str, dict]:   # chapter number -> {"quizzes": [names], "exercises": [names]}
    "The quiz questions and exercises that the course has, by chapter."
    from ft_course.classroom.exercises import exercise_names, quiz_names
    found = {}
    for kind, names in (("quizzes", quiz_names()), ("exercises", exercise_names())):
        for name in names:
            chapter = found.setdefault(name.split(".")[0], {"quizzes": [], "exercises": []})
            chapter[kind].append(name)
    return dict(sorted(found.items()))

class Page(str):
    "HTML that notebooks show; as a string it is plain text."
    def __new__(cls, text: str, markup: str):
        page = super().__new__(cls, text)
        page.markup = markup
        return page
    def _repr_html_(self): return self.markup
    def __repr__(self): return str(self)

def table_page(
    title: str,
    columns: list[str],
    rows: list[list[str]],
) -> Page:
    "A table as HTML and as plain text."
    lines = [[str(c) for c in line] for line in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = "\n".join([title, *("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines)])
    def cell(c, tag, more=""): return f'<{tag} style="text-align:left"{more}>{html.escape(c)}</{tag}>'
    head = "".join(cell(c, "th", ' scope="col"') for c in lines[0])
    body = "".join(f"<tr>{''.join(cell(c, 'td') for c in line)}</tr>" for line in lines[1:])
    return Page(text, f"<table><caption style='text-align:left'>{html.escape(title)}</caption>"
                      f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

def _times(value, what: str) -> str:
    "'2 hints'; an empty string for 0, and for what someone wrote there by hand."
    if isinstance(value, bool) or not isinstance(value, int) or value < 1: return ""
    return f"{value} {what}{'s' if value > 1 else ''}"

def _state(kind: str, entry: dict) -> str:
    if kind == "quizzes":
        if not entry: return "open"
        return "right" if entry.get("right") is True else "answered, not right yet"
    tried, helped = _times(entry.get("attempts"), "time"), _times(entry.get("hints"), "hint")
    if entry.get("solved") is not True: return f"tried {tried}" if tried else "open"
    seen = "solution seen" if entry.get("solution_seen") is True else ""
    return ", ".join(word for word in ("solved", helped, seen) if word)

def chapter_page(
    chapter: str,   # "06"
) -> Page:
    "What of a chapter's quiz and exercises is done, as a table."
    known, rows = contents().get(chapter, {}), []
    for kind, called in (("quizzes", "quiz"), ("exercises", "exercise")):
        kept = recall(kind)
        rows += [[called, name, _state(kind, kept.get(name, {}))] for name in known.get(kind, [])]
    return table_page(f"Chapter {chapter}", ["", "name", "state"], rows)

def progress_page() -> Page:
    "How far you are, chapter by chapter; a star marks the core path."
    guesses, quizzes, exercises = recall("guesses"), recall("quizzes"), recall("exercises")
    rows = []
    for chapter, known in contents().items():
        right = sum(quizzes.get(n, {}).get("right") is True for n in known["quizzes"])
        solved = sum(exercises.get(n, {}).get("solved") is True for n in known["exercises"])
        guessed = sum(name.startswith(f"{chapter}.") for name in guesses)
        rows.append([chapter + ("*" if chapter in CORE else ""), guessed,
                     f"{right} of {len(known['quizzes'])}", f"{solved} of {len(known['exercises'])}"])
    return table_page("Your progress", ["chapter", "guesses", "quiz questions right", "exercises solved"], rows)
