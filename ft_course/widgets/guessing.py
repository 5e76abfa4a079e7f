"Guesses that are made before the result is known, kept, and shown beside it."
import contextlib
import html
import math

import ipywidgets as ipw

from ft_course.classroom.progress import recall, try_to_keep
from ft_course.core.display import Page, marked_up, table_page
from ft_course.widgets.accessibility import FULL, Status, named, radio_buttons
from ft_course.widgets.svg import BLUE, INK, RED, axes, inline_svg, named_line


class Guess(ipw.VBox):
    """A question and a control for the guess; `value` is the guess, None before there is one.
    A kind of guess has `read` (what the control says), `put` (sets it) and `said` (the guess in words)."""
    def __init__(self, name: str, question: str, control, *below):
        self.name, self.question, self.control, self.value = name, question, control, None
        self.status = Status()
        self.button = ipw.Button(description="This is my guess", layout={"width": "max-content"})
        self.button.on_click(lambda _: self.make())
        super().__init__([ipw.HTML(f"<p>{marked_up(question)}</p>"), control, *below, self.button, self.status,
                          named()])
        self._resume(recall("guesses", name))

    def _resume(self, before: dict):
        if "guess" not in before: return
        with contextlib.suppress(Exception):   # a file edited by hand may hold anything
            self.put(before["guess"])
            self.value = self.read()
            self.status.say(f"Kept: {self.said()}.")
        if self.value is not None and "result" in before: self._close()

    def read(self): return self.control.value

    def make(self, value=None) -> "Guess":
        "Commits to `value`, by default to what the control says."
        if self.button.disabled:
            raise ValueError(f"the guess {self.name!r} has met its result; it stays what it was")
        if value is not None: self.put(value)
        self.value = self.read()
        if self.value is None: self.status.say("Choose first.")
        else:   # a result that is already there belonged to another question of this name
            self._keep(question=self.question, guess=self.value, said=self.said(), result=None, result_said=None)
        return self

    def _keep(self, **values):
        self.status.say(*(try_to_keep("guesses", self.name, **values) or [f"Kept: {self.said()}."]))

    def _close(self):
        self.button.disabled = True
        for control in (self.control, *getattr(self.control, "children", ())): control.disabled = True

    def _show(self, result_said: str, result, figure=None, alt="") -> Page:
        "What `.result` shows; the guess is closed, and the result goes beside it into the learner's file."
        mine = "You made no guess." if self.value is None else f"Your guess: {self.said()}."
        if self.value is not None:
            self._keep(result=result, result_said=result_said)
            self._close()
        text = f"{mine} Here: {result_said}."
        picture = inline_svg(figure, alt or text) if figure is not None else ""
        return Page(text, f"<p>{html.escape(mine)} <strong>Here: {html.escape(result_said)}.</strong></p>{picture}")

    def __repr__(self):
        return f"{self.question} " + ("(no guess yet)" if self.value is None else f"(guess: {self.said()})")


class GuessChoice(Guess):
    "A guess among several answers, three or four; `.result(answer)` shows both."
    def __init__(self, name: str, question: str, choices: list):
        self.choices = [str(c) for c in choices]
        super().__init__(name, question, radio_buttons(self.choices))

    def put(self, value):
        if str(value) not in self.choices: raise ValueError(f"{value!r} is none of {', '.join(self.choices)}")
        self.control.value = str(value)

    def said(self) -> str: return str(self.value)

    def result(self, value) -> Page:
        "Guess and result, in words."
        return self._show(str(value), str(value))


def _on_scale(value, low, high) -> float:
    "The number, held between the ends. Raises `ValueError` for one beyond them."
    held = min(max(value, low), high)
    if not math.isclose(value, held):   # powers of ten are off in the last digit
        raise ValueError(f"{value!r} is not between {low:g} and {high:g}")
    return held


def _number_slider(low, high, step, unit: str, log: bool):
    "A slider between the ends, at first about halfway; whole numbers where ends and step are."
    # a readout's format without a letter leaves out zeros at the end
    wide = {"description": unit or "guess", "style": {"description_width": "initial"},
            "layout": {"width": "30em", "max_width": FULL}}
    if log:
        step, first, last = step or .1, math.log10(low), math.log10(high)
        middle = 10**(first + step*round((last - first)/step/2))   # a place where the slider stops
        return ipw.FloatLogSlider(value=middle, base=10, min=first, max=last, step=step, readout_format=".2", **wide)
    step = step or (high - low)/100
    if all(float(v).is_integer() for v in (low, high, step)) and isinstance(low, int):
        return ipw.IntSlider(value=(low + high) // 2, min=low, max=high, step=int(step), **wide)
    return ipw.FloatSlider(value=(low + high)/2, min=low, max=high, step=step, readout_format=".4", **wide)


class GuessNumber(Guess):
    """A guess on a scale from `low` to `high`, in steps of `step`, powers of ten with `log`, where each step multiplies;
    `.result(value, low, high)` shows both, with the interval."""
    def __init__(self, name: str, question: str, low: float, high: float, step: float = None, unit: str = "", log: bool = False):
        self.low, self.high, self.unit, self.logarithmic = low, high, unit, log
        super().__init__(name, question, _number_slider(low, high, step, unit, log))

    def put(self, value): self.control.value = _on_scale(value, self.low, self.high)

    def said(self) -> str: return f"{self.value:.4g} {self.unit}".strip()

    def result(self, value: float, low: float = None, high: float = None) -> Page:
        "Guess and result on one scale, with the result's 95 % interval where it is given."
        value, *ends = map(float, [value] if low is None or high is None else [value, low, high])
        said = f"{value:.3g}"
        if ends: said += f" [{ends[0]:.3g}, {ends[1]:.3g}]"
        if self.unit: said += f" {self.unit}"
        return self._show(said, [value, *ends], self._picture(value, ends))

    def _picture(self, value, ends):
        figure, ax = axes(6, 1.1)
        ax.spines["left"].set_visible(False)
        shown = [v for v in (self.low, self.high, value, *ends) if math.isfinite(v)]
        ax.set(yticks=[], ylim=(-1, 1.6), xlabel=self.unit, xlim=(min(shown), max(shown)))
        if self.logarithmic and min(shown) > 0: ax.set_xscale("log")
        if ends: ax.plot(ends, [0, 0], color=BLUE, lw=6, alpha=.4, solid_capstyle="butt")
        for at, what, marker, colour, above in ((value, "result", "o", BLUE, 8), (self.value, "guess", "D", RED, -14)):
            if at is None or not math.isfinite(at): continue
            ax.plot(at, 0, marker, color=colour, ms=5)
            ax.annotate(what, (at, 0), (0, above), textcoords="offset points", ha="center", color=INK, fontsize=8)
        return figure


class GuessCurve(Guess):
    "A sketched curve, one upright slider for each of five to eight `x`, from `low` to `high`; `.result(values)` shows both."
    def __init__(self, name: str, question: str, x: list[float], low: float, high: float, xlabel: str = "", ylabel: str = ""):
        self.x, self.low, self.high, self.xlabel, self.ylabel = [*map(float, x)], low, high, xlabel, ylabel
        self.sliders, self.sketch = [self._slider(v) for v in self.x], ipw.HTML()
        row = {"flex_flow": "row wrap", "overflow": "visible", "min_height": "14em"}
        super().__init__(name, question, ipw.HBox(self.sliders, layout=row), self.sketch)
        for slider in self.sliders: slider.observe(lambda _: self._sketch(), "value")
        self._sketch()

    def _slider(self, x):
        middle, step = (self.low + self.high)/2, (self.high - self.low)/50
        return ipw.FloatSlider(value=middle, min=self.low, max=self.high, step=step, orientation="vertical",
                               description=f"{x:g}", tooltip=f"{self.ylabel} at {self.xlabel} {x:g}".strip(),
                               readout_format=".3", layout={"height": "13em", "width": "max-content", "min_width": "3.6em"})

    def read(self) -> list[float]: return [slider.value for slider in self.sliders]

    def put(self, values):
        for slider, v in zip(self.sliders, [_on_scale(v, self.low, self.high) for v in values], strict=True): slider.value = v

    def said(self) -> str: return ", ".join(f"{v:.3g}" for v in self.value)

    def _axes(self):
        figure, ax = axes(5, 2.2)
        ax.set(xlabel=self.xlabel, ylabel=self.ylabel, xticks=self.x)
        return figure, ax

    def _sketch(self):
        figure, ax = self._axes()
        ax.plot(self.x, self.read(), "D-", color=RED, ms=4)
        ax.set_ylim(self.low, self.high)
        self.sketch.value = inline_svg(figure, f"your sketch of {self.ylabel} over {self.xlabel}")

    def result(self, values, x=None, low=None, high=None) -> Page:
        "Both curves in one picture; `values` at `x`, by default at the guess's points."
        values, x = [*map(float, values)], self.x if x is None else [*map(float, x)]
        figure, ax = self._axes()
        if low is not None and high is not None: ax.fill_between(x, low, high, color=BLUE, alpha=.2, lw=0)
        named_line(ax, x, values, BLUE, "result", marker="o", ms=4)
        if self.value is not None: named_line(ax, self.x, self.value, RED, "guess", marker="D", ls="--", ms=4)
        left, right = min(*x, *self.x), max(*x, *self.x)
        ax.set_xlim(left, left + 1.15*(right - left))
        return self._show(f"{values[0]:.3g} at {x[0]:g}, {values[-1]:.3g} at {x[-1]:g}", values, figure,
                         f"guessed and measured {self.ylabel} over {self.xlabel}")


guess_choice, guess_number, guess_curve = GuessChoice, GuessNumber, GuessCurve


def guesses(
    chapter: str,   # "06"
) -> Page:
    "The chapter's guesses beside what came out, as a table."
    rows = [[e.get("question", name), e.get("said", ""), e.get("result_said", "not yet")]
            for name, e in recall("guesses").items() if name.startswith(f"{chapter}.")]
    title = "Your guesses" if rows else "You made no guesses in this chapter yet."
    return table_page(title, ["question", "guess", "result"], rows)
