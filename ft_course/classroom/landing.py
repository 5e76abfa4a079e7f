"The page that a learner's copy opens on: what there is, how far one is, where to go on. It needs no run; one is there to play."
import contextlib
from importlib import resources
from pathlib import Path

from ft_course.classroom.progress import done
from ft_course.core import atomic_path, write_json
from ft_course.core.contents import contents, hours

FILE, FEEDBACK = "start.ipynb", "feedback.md"
PLAY = """# a tweet, sorted three ways
from ft_course.why_fine_tune import quick_ways
from ft_course.widgets import classify_panel

classify_panel(quick_ways(), "@user thanks a lot, my suitcase is lost again")
"""


def _template(name: str) -> str: return (resources.files("ft_course")/"classroom"/name).read_text(encoding="utf-8")


def start_page() -> str:
    "The page as Markdown, for the learner whose copy the present folder is in; `{play}` where there is something to run."
    answers = {c.number: [*done("quizzes", c.number).values(), *done("exercises", c.number).values()] for c in contents()}
    todo = sorted((c for c in contents() if not all(answers[c.number])), key=lambda c: not any(answers[c.number]))
    rows = ["| | chapter | its question | time | done |", "|---|---|---|---|---|"]
    for c in contents():
        right, of = sum(answers[c.number]), len(answers[c.number])
        state = "✓" if right == of else f"{right} of {of}" if right else ""
        time = f"{hours(c.reading + c.exercises)} h"
        rows.append(f"| {c.number}{'*'*c.core} | [{c.title}]({c.file}) | {c.question} | {time} | {state} |")
    verb = "Go on" if any(map(any, answers.values())) else "Begin"
    go_on = f"**{verb} with [{todo[0].number} {todo[0].title}]({todo[0].file}).**" if todo else "You have solved it all."
    return _template("start.md").format(go_on=go_on, table="\n".join(rows), play="{play}")


def write_landing(
    target: Path,   # the learner's copy
):
    "Writes the page as it is now, and an empty feedback file where there is none."
    with contextlib.chdir(target): above, below = start_page().split("{play}\n")
    cells = [{"cell_type": "markdown", "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}
             for name, text in (("start", above), ("chapters", below))]
    cells.insert(1, {"cell_type": "code", "id": "play", "metadata": {"jupyter": {"source_hidden": True}}, "outputs": [],
                     "execution_count": None, "source": PLAY.splitlines(keepends=True)})
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    page = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    write_json(page, target/FILE, indent=1, ensure_ascii=False)
    if (target/FEEDBACK).exists(): return
    with atomic_path(target/FEEDBACK) as tmp: tmp.write_text(_template(FEEDBACK), encoding="utf-8")


def next_links(name: str) -> str:
    "Markdown for the end of a chapter: the one that comes next, and the start page. Empty for other notebooks."
    files = [c.file for c in contents()]
    if name not in files: return ""
    following = contents()[files.index(name) + 1:][:1]
    return " · ".join([*(f"Next: [{c.number} {c.title}](../{c.file}), *{c.question}*" for c in following),
                       f"[All chapters](../{FILE})"])
