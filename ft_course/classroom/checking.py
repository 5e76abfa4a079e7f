"`check`: a widget with the outcome, hints one by one, and the model solution after an attempt."
import html
import sys

from ft_course.classroom.exercises import Exercise, Outcome, evaluate_exercise, find_exercise
from ft_course.classroom.expect import in_words
from ft_course.classroom.progress import keep, recall
from ft_course.classroom.running import guarded
from ft_course.classroom.solutions import model_solutions
from ft_course.core import CourseError
from ft_course.core.display import Page, marked_up


def _count(value) -> int:
    "A count from the learner's file, which anyone may have edited: 0 for what is none."
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else 0


def _keep(name: str, **values) -> str:
    "Keeps the values; the sentence about what went wrong, or an empty string."
    try: keep("exercises", name, **values)
    except CourseError as err: return str(err)
    return ""


def hint(name: str) -> Page:
    "The next of the exercise's three hints; after the third, all of them."
    hints = find_exercise(name).hints
    given = min(_count(recall("exercises", name).get("hints")) + 1, 3)
    problem = _keep(name, hints=given)
    return _page([f"Hint {i + 1} of 3: {h}" for i, h in enumerate(hints[:given])] + [problem][:bool(problem)])


def solution(name: str) -> Page:
    "The model solution, once you have tried."
    find_exercise(name)
    before, source = recall("exercises", name), model_solutions().get(name)
    if not before.get("attempts"):
        return _page(["The solution is shown after your first attempt. A hint may help you to one."])
    if source is None: return _page([f"No solution of {name} is written down."])
    problem = "" if before.get("solved") else _keep(name, solution_seen=True)
    page = _page([problem][:bool(problem)])
    code = f"<pre style='white-space:pre-wrap'><code>{html.escape(source)}</code></pre>"
    return Page(source + page, code + page.markup)


def _page(lines: list[str]) -> Page:
    return Page("\n".join(lines), "".join(f"<p style='margin:.3em 0'>{marked_up(line)}</p>" for line in lines))

SIGNS = {"solved": "✓", "wrong": "✗", "not attempted": "…"}


def check(
    name: str,             # "06.warmup"
    objects: dict = None,  # where to look the objects up; the notebook's variables by default
):                         # a widget with the outcome, hints and solution; its text is the outcome
    "Checks an exercise and records the attempt in the learner's file."
    objects = vars(sys.modules["__main__"]) if objects is None else objects
    outcome = evaluate_exercise(name, objects)
    said = [f"{SIGNS[outcome.state]} {outcome.message}"]
    if outcome.state != "not attempted":
        before = recall("exercises", name)   # once solved, solved
        solved = True if outcome.state == "solved" or before.get("solved") is True else None
        said.append(_keep(name, attempts=_count(before.get("attempts")) + 1, solved=solved))
        said.append(_drawn(find_exercise(name), objects))
    return _checked(name, outcome, [line for line in said if line])


def _drawn(exercise: Exercise, objects: dict) -> str:
    "Shows the exercise's picture of the learner's objects; a sentence when there is none to be had."
    if not exercise.draw: return ""
    from IPython.display import display
    try:
        with guarded(): picture = exercise.draw(**{n: objects[n] for n in exercise.wants})
        display(picture)
    except KeyboardInterrupt: raise
    except BaseException as err: return f"(It cannot be drawn: {in_words(err)})"
    return ""


def _checked(name: str, outcome: Outcome, said: list[str]):
    import ipywidgets as widgets
    level = find_exercise(name).level
    message, more = widgets.HTML(_page(said).markup), widgets.HTML()
    ask = widgets.Button(description="Hint", tooltip=f"the next hint for {name}")
    show = widgets.Button(description="Solution", tooltip=f"the model solution of {name}, after an attempt")
    def answer(page): more.value = f"<div role='status'>{page.markup}</div>"
    ask.on_click(lambda _: answer(hint(name)))
    show.on_click(lambda _: answer(solution(name)))

    class Checked(widgets.VBox):
        def __repr__(self): return f"{name} ({level}): " + "\n".join(said)
    box = Checked([message, widgets.HBox([ask, show]), more])
    box.outcome, box.ask, box.show, box.more = outcome, ask, show, more
    return box
