"Quiz questions that explain each choice."
import html
import re

import ipywidgets as ipw

from ft_course.classroom.progress import recall, try_to_keep
from ft_course.classroom.quizzes import quiz_names, quiz_question
from ft_course.core.display import marked_up
from ft_course.widgets.accessibility import Status, named, radio_buttons


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
        question = ipw.HTML(f"<p><strong>{marked_up(self.found['question'])}</strong></p>")
        super().__init__([question, self.control, self.reason, named()])

    def choose(self, number: int) -> "Quiz":
        "Chooses the choice of this number, counted from 0."
        self.control.value = number
        return self

    def _answered(self, number):
        if number is None: return
        choice, before = self.found["choices"][number], recall("quizzes", self.name)
        problems = try_to_keep("quizzes", self.name, answers=[*before.get("answers", []), choice["text"]][-20:],
                               right=choice.get("right") or before.get("right") or None)   # once right, right
        self._explain(choice, "".join(f"<br>{html.escape(problem)}" for problem in problems))

    def _explain(self, choice: dict, problem: str = ""):
        text = f"{'✓ Right' if choice.get('right') else '✗ Not so'}: {choice['why']}"
        self.reason.say(text, marked_up(text) + problem)

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
