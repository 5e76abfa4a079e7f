"The learner's copy of the course."
import ast
import hashlib
import json
import re
from pathlib import Path

from ft_course.classroom.landing import next_links, write_landing
from ft_course.classroom.solutions import BEGIN, without_solution
from ft_course.core import CourseError, write_json


def course_root(
    start=None,  # where to look from; the current folder by default
) -> Path:
    """The folder of the clone: the nearest one, upwards from `start` or around the installed package,
    that holds `settings.ini` and `nbs`. Raises `CourseError` when there is none."""
    import ft_course
    for place in (Path(start or ".").resolve(), Path(ft_course.__file__).resolve().parent):
        for folder in (place, *place.parents):
            if (folder/"settings.ini").is_file() and (folder/"nbs").is_dir(): return folder
    raise CourseError(f"There is no course here: neither {Path(start or '.').resolve()} nor a folder above it "
                      "holds settings.ini and nbs; go to the folder you cloned and try again.")


def chapters(root: Path) -> list[Path]:
    "Every notebook that a learner gets, in order."
    return [p for p in notebooks(root) if p.name != "index.ipynb"]


def notebooks(root: Path) -> list[Path]:
    "Every notebook of the course, in order, README's among them."
    return sorted(p for p in (root/"nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


LONG = 25   # lines of an exported cell from which on it is folded
PICTURE = re.compile(r'<img [^>]*src="data:image/png;base64,([^"]+)"')


def _learners_cells(cell: dict) -> list[dict]:
    """What becomes of a cell in the learner's copy: no output, no solution, no line for nbdev; plumbing folded; a check's
    picture stands before it."""
    if cell["cell_type"] != "code": return [cell]
    source, exported = "".join(cell["source"]), "#| export" in "".join(cell["source"])
    shown = "".join(part for o in cell["outputs"] for part in o.get("data", {}).get("text/html", ""))
    pictures = PICTURE.findall(shown) if source.startswith("check(") else []
    before = []
    for png in pictures[:1]:
        before = [{"cell_type": "markdown", "id": f"{cell.get('id', 'check')}-aim"[-64:], "metadata": {},
                   "attachments": {"aim.png": {"image/png": png}},
                   "source": ["Yours should come out like this:\n", "\n",
                              "![the picture that the model solution gives](attachment:aim.png)"]}]
    hidden = "#| hide" in source
    source = re.sub(r"^#\|.*\n?", "", without_solution(source) if BEGIN in source else source, flags=re.M)
    if not source.strip(): return before
    folded = {"jupyter": {"source_hidden": True}} if hidden or _is_plumbing(source, exported) else {}
    return [*before, cell | {"outputs": [], "execution_count": None, "source": source.splitlines(keepends=True),
                             "metadata": cell["metadata"] | folded}]


SAID = ("say", "claim", "check", "quiz", "guesses", "time_needed", "guess_choice", "guess_number", "guess_curve", "result")


def _called(statement: ast.stmt) -> str:
    "The name of what is called there, with or without keeping what comes back."
    call = getattr(statement, "value", None)
    return (getattr(call.func, "id", "") or getattr(call.func, "attr", "")) if isinstance(call, ast.Call) else ""


def _is_plumbing(source: str, exported: bool) -> bool:
    "Does the cell only import, or show a sentence or a question with at most as much code before it? Or is it too long to read?"
    try: body = ast.parse(source).body
    except SyntaxError: return False
    if all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in body): return True
    lines = len(source.splitlines())
    if exported: return lines > LONG
    return any(2*(n.lineno - 1) <= lines for n in body[-2:] if _called(n) in SAID)


def _state(notebook: dict) -> str:
    "A digest of what a reader can change: kinds, sources and outputs of the cells."
    cells = [[c["cell_type"], "".join(c["source"]), c.get("outputs", [])] for c in notebook["cells"]]
    return hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()


def learners_copy(
    root: Path,    # the clone
    target: Path,  # the copy's folder, made if it is not there
) -> list[str]:    # names of notebooks that were kept although the course has a newer version
    "Makes or refreshes the learner's copy; never overwrites a notebook that the learner changed."
    record = target/".course.json"
    try: known = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError): known = {}
    kept = []
    for source in chapters(root):
        name = source.relative_to(root/"nbs").as_posix()
        notebook = json.loads(source.read_text(encoding="utf-8"))
        notebook["cells"] = [mine for cell in notebook["cells"] for mine in _learners_cells(cell)]
        if links := next_links(name):
            notebook["cells"].append({"cell_type": "markdown", "id": "next-chapter", "metadata": {}, "source": [links]})
        for key in ("widgets", "ft_course"): notebook["metadata"].pop(key, None)   # and its receipt
        state, file = _state(notebook), target/name
        if file.exists():
            try: now = _state(json.loads(file.read_text(encoding="utf-8")))
            except (ValueError, KeyError): now = "damaged"
            if now == state:
                known[name] = state
                continue
            if now != known.get(name):
                if known.get(name) != state: kept.append(name)
                continue
        write_json(notebook, file, indent=1, ensure_ascii=False)
        known[name] = state
    write_json(known, record, indent=1)
    write_landing(target)
    return kept
