"A panel on which one text is asked about under several prompts."
import html

import ipywidgets as ipw

from ft_course.core import CourseError
from ft_course.prompting import PromptClassifier
from ft_course.widgets.accessibility import Panel, Status, named
from ft_course.widgets.controls import Control, Controls
from ft_course.widgets.svg import BLUE


def bars(probabilities: dict) -> str:
    "The probabilities as HTML, a bar a label, with the figures."
    def line(label, p):
        return (f"<tr><td style='padding-right:1em'>{html.escape(str(label))}</td><td style='width:16em'>"
                f"<div style='background:{BLUE};height:1em;width:{100*p:.1f}%'></div></td>"
                f"<td style='text-align:right'>{100*p:.0f} %</td></tr>")
    return f"<table>{''.join(line(label, p) for label, p in probabilities.items())}</table>"


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


class PromptPanel(Panel):
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
        self.templates, text = templates or {"text only": "{text}"}, text or task.split("validation")[0][0]
        self.controls, self.picture, self.probabilities = _prompt_controls(self.templates, n_examples), Status(), None
        self.text = ipw.Text(value=text, description="text", layout={"width": "100%"})
        self.button = ipw.Button(description="Ask", tooltip="ask the model with these settings",
                                 button_style="primary")
        self.button.on_click(lambda _: self.ask())
        self.view = ipw.VBox([self.text, self.controls, self.button, self.picture, named()])

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

    def ask(self) -> dict | None:
        "Label -> probability for the text; shows the bars, or the sentence that says what went wrong."
        self.button.disabled, self.probabilities = True, None
        try:
            model = self.estimator().fit(*self.task.split("train"))
            found = model.predict_proba([self.text.value])[0]
            self.probabilities = dict(zip(model.classes_.tolist(), found.tolist()))
            said = ", ".join(f"{label} {p:.0%}" for label, p in self.probabilities.items())
            self.picture.say(said, bars(self.probabilities))
        except (ValueError, CourseError) as err: self.picture.say(str(err))
        finally: self.button.disabled = False
        return self.probabilities

    def __repr__(self): return f"PromptPanel({self.task.name!r}, {self.controls.values})"


prompt_panel = PromptPanel
