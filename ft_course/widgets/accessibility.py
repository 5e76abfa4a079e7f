"Names for sliders and radios, keys that stay inside, a line where no kernel listens, lines that are spoken, choices that wrap."
import html
from importlib import resources

import ipywidgets as ipw

FILES = resources.files("ft_course")/"widgets"


def named() -> ipw.DOMWidget:
    """An invisible widget that names the sliders around it (aria-label, aria-valuetext), makes groups of radios, keeps what
    is typed there from the notebook, and lets the page say which widgets have no kernel behind them."""
    import anywidget
    script, style = ((FILES/f"accessibility.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    return ipw.Box([anywidget.AnyWidget(_esm=script), ipw.HTML(f"<style>{style}</style>")], layout={"display": "none"})


class Status(ipw.HTML):
    "A line that a screen reader speaks when it changes; `said` is its text."
    said = ""

    def say(
        self,
        text: str,
        markup: str = None,   # the HTML that stands for it; by default the text as it is
    ):
        "Shows the text."
        self.said = text
        self.value = f"<div role='status'>{html.escape(text) if markup is None else markup}</div>"


class Panel:
    "What has a `view`, the widget that a notebook shows for it."
    @property
    def said(self) -> str:
        "The last line of status."
        return self.view.status.said

    def _repr_mimebundle_(self, **kwargs): return self.view._repr_mimebundle_(**kwargs) | {"text/plain": repr(self)}


FULL = "calc(100% - 4px)"   # all of a box, less the margins


def radio_buttons(options) -> ipw.RadioButtons:
    "Buttons of which none is chosen; long options wrap."
    buttons = ipw.RadioButtons(options=options, value=None, layout={"width": "auto"})
    buttons.add_class("ft-choices")
    return buttons
