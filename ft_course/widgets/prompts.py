"A panel on which one text is asked about under several prompts."
import html

import ipywidgets as ipw

from ft_course.core.display import marked_up
from ft_course.prompting import PromptClassifier
from ft_course.widgets.asking import AskPanel, bars
from ft_course.widgets.controls import Control, Controls


def _prompt_controls(templates: dict, most: int) -> Controls:
    steps = tuple(n for n in (0, 1, 2, 5, 10, 20, 40, 80) if n <= most)
    controls = {"n_examples": Control("examples", "choice", options=steps, why=(
                    "turns that are shown before the text. More: longer to read, and the form is clear")),
                "template": Control("wording", "choice", options=tuple(templates), why="how it is asked"),
                "calibrate": Control("calibration", "choice", options=(False, True), why=(
                    "divide by what the prompt says of texts without content")),
                "random_state": Control("draw", "int", 0, 9, why="which examples, and in which order")}
    return Controls(controls, {"n_examples": steps[0], "template": next(iter(templates)), "calibrate": False,
                               "random_state": 0})


class PromptPanel(AskPanel):
    "A panel on which one text is asked about: number of examples, wording, calibration; the labels' probabilities as bars."
    def __init__(
        self,
        task,                       # a `Task` for classification; examples are drawn from its training rows
        instruction: str = "",
        templates: dict | None = None,  # name -> user message with `{text}`
        n_examples: int = 40,       # the most that can be chosen
        model="smollm2",
        text: str = "",             # what stands in the text field at first
    ):
        self.task, self.instruction, self.model = task, instruction, model
        self.templates, self.probabilities = templates or {"text only": "{text}"}, None
        self.controls = _prompt_controls(self.templates, n_examples)
        self.wording, self.prompt = ipw.HTML(), ipw.HTML()
        self.whole = ipw.Checkbox(description="show the whole prompt", indent=False)
        super().__init__(text or task.split("validation")[0][0], self.controls, self.wording, self.whole, self.prompt,
                         waits="The first Ask loads the model, which takes some seconds.")
        self.controls.on_change(self.changed)
        self.whole.observe(lambda _: self._describe(), "value")
        self._describe()

    def set(self, text: str | None = None, **settings) -> "PromptPanel":
        "Types a text and sets controls. Raises `ValueError` for what there is not."
        self.controls.set(**settings)
        if text is not None: self.text.value = text
        return self

    def estimator(self) -> PromptClassifier:
        "The classifier with the settings of the controls, unfitted."
        values = self.controls.values
        return PromptClassifier(self.instruction, self.model, values["n_examples"],
                                templates=(self.templates[values["template"]],),
                                calibrate=values["calibrate"], random_state=values["random_state"])

    def changed(self):
        super().changed()
        self._describe()

    def turns(self) -> list[dict]:
        "The turns that are sent to the model with the text as it stands: role and content of each."
        model = self.estimator().fit(*self.task.split("train"))
        return model.conversations(model.templates[0], [self.text.value], model.examples_for([self.text.value]))[0]

    def _describe(self):
        self.wording.value = f"The wording: {marked_up('`' + self.templates[self.controls.values['template']] + '`')}"
        turns = self.turns() if self.whole.value else []
        lines = [f"<strong>{turn['role']}</strong>: {html.escape(turn['content'])}" for turn in turns]
        self.prompt.value = f"<div style='white-space:pre-wrap;line-height:1.4'>{chr(10).join(lines)}</div>"

    def answer(self) -> tuple[str, str]:
        model = self.estimator().fit(*self.task.split("train"))
        self.probabilities = dict(zip(model.classes_.tolist(), model.predict_proba([self.text.value])[0].tolist()))
        return ", ".join(f"{label} {p:.0%}" for label, p in self.probabilities.items()), bars(self.probabilities)

    def ask(self) -> dict | None:
        "Label -> probability for the text; shows the bars, or the sentence that says what went wrong."
        self.probabilities = None
        super().ask()
        return self.probabilities

    def __repr__(self): return f"PromptPanel({self.task.name!r}, {self.controls.values})"


prompt_panel = PromptPanel
