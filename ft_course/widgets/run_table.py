"The table of a panel's runs, with what can be done with one of them."
import ipywidgets as ipw

from ft_course.core.display import Page, table_page
from ft_course.widgets.accessibility import FULL
from ft_course.widgets.runs import Runs


def runs_page(runs: Runs) -> Page:
    "The table of runs for the page."
    def said(column, value):
        if isinstance(value, str) and column != "changed": return value.replace(" ", "\xa0")   # an interval stays on its line
        if not isinstance(value, float): return value
        return f"{value:.0f}" if column == "seconds" else f"{value:.3f}"
    frame = runs.frame
    rows = [[number, *(said(c, v) for c, v in row.items())] for number, row in frame.iterrows()]
    return table_page("Runs; one run each, intervals over validation items only", ["run", *frame.columns], rows)


class RunTable(ipw.VBox):
    "The runs as a table; a list to choose one, `chosen`, and `buttons` to pin it and to take its settings."
    def __init__(self):
        self.table = ipw.HTML(layout={"max_width": FULL})
        self.choose = ipw.Dropdown(description="run", options=[], layout={"width": "16em"})
        self.buttons = {
            "pin": ipw.Button(description="Pin", tooltip="keep this run's curve in the picture, or take it out"),
            "use": ipw.Button(description="Use its settings", tooltip="set the controls to this run's settings")}
        row = ipw.HBox([self.choose, *self.buttons.values()], layout={"flex_flow": "row wrap"})
        super().__init__([self.table, row])

    @property
    def chosen(self) -> int | None: return self.choose.value

    def show(self, runs: Runs):
        "Shows these runs; a new one is chosen, else the choice stays."
        numbers, before = [r["run"] for r in runs.records], [v for _, v in self.choose.options]
        chosen = self.chosen if numbers == before else numbers[-1] if numbers else None
        if numbers: self.table.value = f"<div style='overflow-x:auto' tabindex='0'>{runs_page(runs).markup}</div>"
        self.choose.options = [(str(n), n) for n in numbers]
        self.choose.value = chosen
        for button in self.buttons.values(): button.disabled = not numbers
