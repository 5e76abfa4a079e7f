"Solutions: marked in the chapters, gathered into the package, taken out of the learner's copy."
import json
import re
from importlib import resources

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


MARKED = re.compile(rf"^([ \t]*){BEGIN}\s*$.*?^[ \t]*{END}[ \t]*$", flags=re.M | re.S)


def without_solution(
    source: str,   # a cell
) -> str:
    "The cell with `...  # your code` in place of each marked part."
    left = MARKED.sub(r"\1...  # your code", source)
    if BEGIN in left or END in left: raise ValueError(f"a cell has one mark of a solution without the other: {source[:40]!r}")
    return left


def model_solutions() -> dict[str, str]:   # exercise -> source
    "The model solution of every exercise, in order."
    return json.loads((resources.files("ft_course")/"classroom"/"checks"/"solutions.json").read_text(encoding="utf-8"))


def exercise_names() -> list[str]:
    "Names of the course's exercises, in order."
    return list(model_solutions())
