"Notebooks, package and README kept in step: what the course's authors need (see CONTRIBUTING)."
import json
import os
import re
import sys
import time
from pathlib import Path

from ft_course.classroom.copy import chapters, course_root, notebooks
from ft_course.classroom.solutions import BEGIN, END
from ft_course.core import atomic_path
from tools import receipts


def readme(root: Path) -> str:
    """README.md as Markdown, from `nbs/index.ipynb`: its cells and, as text, their outputs;
    cells marked `#| hide` are left out."""
    notebook, parts = (json.loads((root/"nbs"/"index.ipynb").read_text(encoding="utf-8")),
                       ["<!-- made from nbs/index.ipynb: edit there, then `make readme` -->"])
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown": parts.append(source)
        elif "#| hide" not in source:
            code = re.sub(r"^#[|].*\n", "", source, flags=re.M)
            parts.append(f"```python\n{code}\n```")
            for output in cell.get("outputs", []):
                text = "".join(output.get("data", {}).get("text/plain", output.get("text", "")))
                if text.strip(): parts.append(f"```\n{text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def _is_bar(output) -> bool:
    "Is this output a progress bar, or what is left of one?"
    text = "".join(output.get("data", {}).get("text/plain", "")).strip()
    return output.get("output_type") == "display_data" and (not text or bool(re.search(r"\d+%\|", text)))


def tidy(notebook):
    "The executed notebook without progress bars, standard error, widget states and run-time metadata (in place)."
    for cell in notebook.cells:
        if cell.cell_type != "code": continue
        cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr" and not _is_bar(o)]
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in ("tags", "nbgrader")}
    notebook.metadata = {k: v for k, v in notebook.metadata.items() if k in ("kernelspec", receipts.KEY)}
    return notebook


def run_notebook(
    path: Path,
    timeout: int = 480,  # seconds for one cell
    **environment,       # variables of the kernel beside this process's own
):
    """The notebook, run top to bottom in a fresh kernel in its folder.
    Raises what the first failing cell raised; a kernel whose reply got lost is started once more."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError
    # a backend without pictures would lose the figures
    env = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"} | environment
    for once_more in (True, False):
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(notebook, timeout=timeout, kernel_name="python3",
                                resources={"metadata": {"path": str(path.parent)}})
        try: return client.execute(env=env)
        except CellTimeoutError:   # now and then a reply gets lost and the kernel sits idle (jupyter/nbclient issue 312)
            if not once_more: raise


def execute(
    path: Path,
):
    """Runs a notebook top to bottom and saves it tidied, with a receipt.
    Raises what the first failing cell raised; the file is then as it was."""
    path, start = Path(path).resolve(), time.perf_counter()
    notebook = run_notebook(path)
    receipt = receipts.Code(course_root(path.parent)).receipt(notebook)
    old = notebook.metadata.get(receipts.KEY, {})
    notebook.metadata[receipts.KEY] = receipts.with_time(receipt, time.perf_counter() - start, old)
    save_tidied(notebook, path)


def save_tidied(notebook, path: Path):
    "Writes the notebook tidied and cleaned by nbdev; nothing happens to a file that is so already."
    import nbformat
    from nbdev.clean import nbdev_clean
    text = nbformat.writes(tidy(notebook)) + "\n"
    if path.read_text(encoding="utf-8") != text:
        with atomic_path(path) as tmp: tmp.write_text(text, encoding="utf-8")
    nbdev_clean(str(path))


def stale(root: Path) -> dict[str, str]:
    "Notebook -> what has changed since it left its receipt, in words; empty where the receipt is fresh."
    code = receipts.Code(root)
    return {p.relative_to(root).as_posix(): code.stale(json.loads(p.read_text(encoding="utf-8"))) for p in notebooks(root)}


def gather_solutions(
    cells: list[str],   # the sources of a notebook's code cells, in order
) -> dict[str, str]:    # exercise -> source of its solution, without the marks
    "The solutions of a chapter: the marked cells before each `check(\"NAME\")`."
    waiting, found = [], {}
    for source in cells:
        lines = source.split("\n")
        if BEGIN in source: waiting.append("\n".join(l for l in lines if l.strip() not in (BEGIN, END)))
        if (asked := re.search(r"^check\(\"([\w.]+)\"\)", source, flags=re.M)):
            if not waiting: raise ValueError(f'check("{asked[1]}") has no solution before it')
            found[asked[1]], waiting = "\n\n".join(waiting), []
    if waiting: raise ValueError(f"a solution has no check after it: {waiting[0].split(chr(10))[0]!r}")
    return found


def solutions(root: Path) -> str:
    "Every exercise's solution, from the marked cells of the chapters, as JSON."
    found = {}
    for path in chapters(root):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        found |= gather_solutions(["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"])
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def main(argv=None):
    """For authors: `readme` writes README.md, `solutions` gathers the exercises' solutions, `stale` lists the notebooks
    to be run again, `execute NOTEBOOK ...` runs and tidies them, `clean NOTEBOOK ...` only tidies
    (`make readme`, `make export`, `make stale`, `make nb NB=...`)."""
    (command, *names), root = argv or sys.argv[1:] or [""], course_root()
    def write(file, text):
        with atomic_path(file) as tmp: tmp.write_text(text, encoding="utf-8")
    if command == "readme": write(root/"README.md", readme(root))
    elif command == "solutions": write(root/"ft_course"/"classroom"/"checks"/"solutions.json", solutions(root))
    elif command == "stale":
        for name, why in stale(root).items():
            if why: print(f"{name}: {why}")
    elif command == "execute":
        for name in names:
            print(name, flush=True)
            execute(Path(name))
    elif command == "clean":
        import nbformat
        for name in names: save_tidied(nbformat.read(name, as_version=4), Path(name))
    else: raise SystemExit(" ".join(main.__doc__.split()))


if __name__ == "__main__": main()
