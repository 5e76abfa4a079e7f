"A text field, a button that asks, and the answer: probabilities as bars."
import html

import ipywidgets as ipw

from ft_course.core import CourseError
from ft_course.widgets.accessibility import Panel, Status, named
from ft_course.widgets.svg import BLUE


def bars(probabilities: dict) -> str:
    "The probabilities as HTML, a bar a label, with the figures."
    def line(label, p):
        return (f"<tr><td style='padding-right:1em'>{html.escape(str(label))}</td><td style='width:100%'>"
                f"<div style='background:{BLUE};height:1em;width:{100*p:.1f}%'></div></td>"
                f"<td style='text-align:right;white-space:nowrap'>{100*p:.0f} %</td></tr>")
    return f"<table style='width:100%;max-width:28em'>{''.join(line(label, p) for label, p in probabilities.items())}</table>"


class AskPanel(Panel):
    """A text field and a button that asks; Enter asks too. A kind of panel has `answer()`, the answer to the text as text and
    as HTML. What was answered before something changed is dimmed."""
    def __init__(self, text: str, *below, waits: str = ""):
        self.text = ipw.Text(value=text, description="text", placeholder="type a text, and press Enter", layout={"width": "auto"})
        self.button = ipw.Button(description="Ask", tooltip="ask about the text; Enter does the same", button_style="primary")
        self.picture, self.waits, self.shown = Status(), waits, None
        self.picture.say(waits)
        self.text.observe(lambda _: self.changed(), "value")
        self.text.on_msg(lambda _, said, buffers: self.ask() if said.get("event") == "submit" else None)
        self.button.on_click(lambda _: self.ask())
        self.view = ipw.VBox([self.text, *below, self.button, self.picture, named()])

    def changed(self):
        "Dims the answer that is shown: it was to something else."
        if not self.shown: return
        text, markup = self.shown
        self.picture.say(f"{text} (before the change)",
                         f"<p>From before the change; ask again.</p><div style='opacity:.6'>{markup}</div>")

    def ask(self):
        "Shows the answer, or the sentence that says what went wrong."
        self.shown = None
        if not self.text.value.strip(): return self.picture.say("Type a text first.")
        self.button.disabled = True
        self.picture.say(f"Asking … {self.waits}")
        try:
            self.shown = self.answer()
            self.waits = ""
            self.picture.say(*self.shown)
        except (ValueError, CourseError) as err: self.picture.say(str(err))
        finally: self.button.disabled = False
