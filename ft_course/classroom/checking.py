"`check`: a widget with the outcome, hints one by one, and the model solution after an attempt."
import html
import sys

import ipywidgets as ipw

from ft_course.classroom.exercises import Exercise, Outcome, evaluate_exercise, find_exercise, unfinished_cell
from ft_course.classroom.expect import in_words
from ft_course.classroom.progress import done, recall, try_to_keep
from ft_course.classroom.running import guarded
from ft_course.classroom.solutions import model_solutions
from ft_course.classroom.texts import exercise_title
from ft_course.core.display import Page, marked_up


def hint(name: str) -> Page:
    "The next of the exercise's three hints; after the third, all of them."
    hints = find_exercise(name).hints
    given = min(recall("exercises", name).get("hints", 0) + 1, 3)
    return _page([f"Hint {i} of 3: {h}" for i, h in enumerate(hints[:given], 1)] + try_to_keep("exercises", name, hints=given))


def solution(name: str) -> Page:
    "The model solution, once you have tried."
    find_exercise(name)
    before = recall("exercises", name)
    if not before.get("attempts"):
        return _page(["The solution is shown after your first attempt. A hint may help you to one."])
    page = _page([] if before.get("solved") else try_to_keep("exercises", name, solution_seen=True))
    source = model_solutions()[name]
    return Page(source + page, f"<pre style='white-space:pre-wrap'><code>{html.escape(source)}</code></pre>{page.markup}")


def _page(lines: list[str]) -> Page:
    return Page("\n".join(lines), "".join(f"<p style='margin:.3em 0'>{marked_up(line)}</p>" for line in lines))

SIGNS = {"solved": "✓", "wrong": "✗", "not attempted": "…"}


def check(
    name: str,             # "06.warmup"
    objects: dict = None,  # where to look the objects up; the notebook's variables by default
):                         # a widget with the outcome, hints and solution; its text is the outcome
    "Checks an exercise and records the attempt in the learner's file."
    unfinished = unfinished_cell(name) if objects is None else None
    objects = vars(sys.modules["__main__"]) if objects is None else objects
    outcome = unfinished or evaluate_exercise(name, objects)
    said = [f"{SIGNS[outcome.state]} {outcome.message}"]
    if outcome.state != "not attempted":
        before = recall("exercises", name)
        solved = outcome.state == "solved" or before.get("solved")   # once solved, solved
        said += try_to_keep("exercises", name, attempts=before.get("attempts", 0) + 1, solved=solved or None)
        said += _drawn(find_exercise(name), objects)
        if outcome.state == "solved": said += _so_far(name)
    return Checked(outcome, said)


def _so_far(name: str) -> list[str]:
    "How many of the chapter's exercises are solved, and which one is next."
    these = done("exercises", name.split(".")[0])
    left = [n for n, solved in these.items() if n != name and not solved]
    if not left: return [f"All {len(these)} of this chapter are solved."] if these else []
    return [f"{len(these) - len(left)} of {len(these)} solved, next: {exercise_title(left[0])}."]


def _drawn(exercise: Exercise, objects: dict) -> list[str]:
    "Shows the exercise's picture of the learner's objects; a sentence when there is none to be had."
    if not exercise.draw: return []
    from IPython.display import display
    try:
        with guarded(): picture = exercise.draw(**{n: objects[n] for n in exercise.wants})
        display(picture)
    except KeyboardInterrupt: raise
    except BaseException as err: return [f"(It cannot be drawn: {in_words(err)})"]
    return []


class Checked(ipw.VBox):
    "What `check` shows: the outcome, and buttons for a hint and for the solution."
    def __init__(self, outcome: Outcome, said: list[str]):
        name = outcome.name
        self.outcome, self.said, self.more = outcome, said, ipw.HTML()
        self.ask = ipw.Button(description="Hint", tooltip=f"the next hint for {name}")
        self.show = ipw.Button(description="Solution", tooltip=f"the model solution of {name}, after an attempt")
        self.ask.on_click(lambda _: self._answer(hint(name)))
        self.show.on_click(lambda _: self._answer(solution(name)))
        super().__init__([ipw.HTML(_page(said).markup), ipw.HBox([self.ask, self.show]), self.more])

    def _answer(self, page: Page): self.more.value = f"<div role='status'>{page.markup}</div>"

    def __repr__(self):
        return f"{self.outcome.name} ({find_exercise(self.outcome.name).level}): " + "\n".join(self.said)
