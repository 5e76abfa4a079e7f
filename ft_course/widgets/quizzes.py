"Quiz questions that explain each choice."
import html
import re

import ipywidgets as ipw

from ft_course.classroom.progress import keep, recall
from ft_course.classroom.quizzes import quiz_names, quiz_question
from ft_course.core import CourseError
from ft_course.core.display import marked_up
from ft_course.widgets.accessibility import WRAP, Status, named, radio_buttons


class Quiz(ipw.VBox):
    "A question with its choices; choosing one shows whether it is right, and why."
    def __init__(self, name: str):
        self.name, self.found, self.reason = name, quiz_question(name), Status()
        self.control = radio_buttons([(re.sub("[`*]", "", c["text"]), i) for i, c in enumerate(self.found["choices"])])
        last, texts = recall("quizzes", name).get("answers", [None])[-1], [c["text"] for c in self.found["choices"]]
        if last in texts:   # as it was left
            self.control.value = texts.index(last)
            self._explain(self.found["choices"][self.control.value])
        self.control.observe(lambda change: self._answered(change["new"]), "value")
        question = ipw.HTML(f"{WRAP}<p><strong>{marked_up(self.found['question'])}</strong></p>")
        super().__init__([question, self.control, self.reason, named()])

    def choose(self, number: int) -> "Quiz":
        "Chooses the choice of this number, counted from 0."
        self.control.value = number
        return self

    def _answered(self, number):
        if number is None: return
        choice = self.found["choices"][number]
        problem = ""
        try: self._keep(choice["text"], bool(choice.get("right")))
        except CourseError as err: problem = f"<br>{html.escape(str(err))}"
        self._explain(choice, problem)

    def _explain(self, choice: dict, problem: str = ""):
        text = f"{'✓ Right' if choice.get('right') else '✗ Not so'}: {choice['why']}"
        self.reason.say(text, marked_up(text) + problem)

    def _keep(self, text: str, right: bool):
        "Once right, right: a later wrong choice does not take that away."
        before = recall("quizzes", self.name)
        keep("quizzes", self.name, answers=[*before.get("answers", []), text][-20:], right=right or before.get("right") or None)

    def __repr__(self): return "\n".join(filter(None, (self.found["question"], self.reason.said)))


class Questions(ipw.VBox):
    "A chapter's questions, one below the other."
    def __repr__(self): return "\n\n".join(map(repr, self.children))


def quiz(
    name: str,   # "06.batch" for one question, "06" for a chapter's
):
    "A quiz question, or all of a chapter's one below the other."
    name = str(name)
    if "." in name: return Quiz(name)
    names = [n for n in quiz_names() if n.startswith(f"{name}.")]
    if not names: raise ValueError(f"there is no chapter {name!r} that has a quiz")
    return Questions([Quiz(n) for n in names])
