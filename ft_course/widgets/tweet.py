"A panel on which several classifiers answer the same text, side by side."
import html

from ft_course.widgets.asking import AskPanel, bars


class ClassifyPanel(AskPanel):
    "A text, and what each way makes of it, as bars side by side; `answers` has way -> {label: probability} of the last text."
    def __init__(
        self,
        ways: dict,      # name -> fitted classifier with `predict_proba` and `classes_`
        text: str = "",  # is asked at once
    ):
        self.ways, self.answers = ways, {}
        super().__init__(text)
        if text.strip(): self.ask()

    def answer(self) -> tuple[str, str]:
        text = self.text.value
        self.answers = {name: dict(zip(way.classes_.tolist(), way.predict_proba([text])[0].tolist()))
                        for name, way in self.ways.items()}
        best = {name: max(found, key=found.get) for name, found in self.answers.items()}
        heads = {name: f"<strong>{html.escape(name)}</strong>: {html.escape(str(label))}" for name, label in best.items()}
        columns = [f"<div style='flex:1 1 14em'>{heads[name]}{bars(found)}</div>" for name, found in self.answers.items()]
        said = "; ".join(f"{name}: {label} {self.answers[name][label]:.0%}" for name, label in best.items())
        return said, f"<div style='display:flex;flex-wrap:wrap;gap:.5em 2em'>{''.join(columns)}</div>"

    def __repr__(self): return self.picture.said


classify_panel = ClassifyPanel
