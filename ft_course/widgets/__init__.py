"""Guesses that are kept before the result, quizzes with reasons, and a panel that trains while you watch"""


import contextlib, csv, functools, hashlib, html, io, json, math, numbers, os, re, string, threading, time
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path

import ipywidgets as ipw

from ft_course.core import CourseError, atomic_path, disk_error, did_you_mean
from ft_course.estimators import as_method
from ft_course.classroom.exercises import marked_up, quiz_names, quiz_question
from ft_course.classroom.progress import Page, keep, learner_folder, recall, table_page

INK, BLUE, RED, GREEN, ORANGE = "#010203", "#0072B2", "#D55E00", "#009E73", "#E69F00"

def axes(
    width: float,   # inches
    height: float,
    n: int = 1,     # how many, side by side
):                  # the figure and a list of n axes
    "Empty axes whose ink takes the page's text colour in `inline_svg`."
    from matplotlib.figure import Figure
    figure = Figure(figsize=(width, height), layout="constrained")
    several = list(figure.subplots(1, n, squeeze=False)[0])
    for ax in several:
        ax.spines[["top", "right"]].set_visible(False)
        for spine in ax.spines.values(): spine.set_edgecolor(INK)
        ax.tick_params(colors=INK, labelsize=8)
        for label in (ax.xaxis.label, ax.yaxis.label, ax.title):   # "from $5 to $9" is no formula
            label.set(color=INK, fontsize=9, parse_math=False)
        ax.patch.set_alpha(0)
    return figure, several

def inline_svg(
    figure,
    alt: str,   # what it shows, in a sentence
) -> str:
    "The figure as SVG for a page, transparent, with the page's own text colour."
    from matplotlib import rc_context
    drawn = io.StringIO()
    with rc_context({"svg.hashsalt": "ft_course"}):   # the same picture has the same names inside each time
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    svg = drawn.getvalue()
    svg = svg[svg.index("<svg"):].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    about = f'role="img" aria-label="{html.escape(alt)}" style="max-width:100%;height:auto"'
    return svg.replace("<svg", f"<svg {about}", 1)

_NAMES = """
function name(root) {
  for (const handle of root.querySelectorAll('.noUi-handle')) {
    const box = handle.closest('.jupyter-widgets');
    const said = box?.querySelector('.widget-label');
    const label = said?.title && said.title !== 'null' ? said.title : said?.textContent;
    const value = box?.querySelector('.widget-readout')?.textContent;
    const tell = (what, text) => {
      if (text && handle.getAttribute(what) !== text) handle.setAttribute(what, text);
    };
    tell('aria-label', label);
    tell('aria-valuetext', value);
  }
}
export default { render({ el }) {
  let watch = null;
  const begin = () => {
    const root = el.closest('.jp-OutputArea, .widget-vbox')?.parentElement ?? document.body;
    name(root);
    watch = new MutationObserver(() => name(root));
    watch.observe(root, { subtree: true, childList: true, characterData: true });
  };
  const timer = setTimeout(begin, 50);
  return () => { clearTimeout(timer); watch?.disconnect(); };
} };
"""

def named() -> ipw.DOMWidget:
    "An invisible widget that names the handles of the sliders around it (aria-label, aria-valuetext)."
    import anywidget
    names = anywidget.AnyWidget(_esm=_NAMES)
    names.layout.display = "none"
    return names

def _note(text: str) -> ipw.HTML: return ipw.HTML(f"<div role='status'>{text}</div>" if text else "")

class Guess(ipw.VBox):
    "A question and a control for the guess; `value` is the guess, None before there is one."
    def __init__(self, name: str, question: str, control, value_of, set_to):
        self.name, self.question, self.control = name, question, control
        self._value_of, self._set_to = value_of, set_to
        self.value, self._note = None, ipw.HTML()
        self.button = ipw.Button(description="This is my guess", layout={"width": "max-content"})
        self.button.on_click(lambda _: self.make())
        super().__init__([ipw.HTML(f"<p>{marked_up(question)}</p>"), control, self.button, self._note, named()])
        self._resume(recall("guesses", name))

    def _resume(self, before: dict):
        if "guess" not in before: return
        with contextlib.suppress(Exception):   # a file edited by hand may hold anything
            self._set_to(before["guess"])
            self.value = self._value_of()
            self._say(f"Kept: {self.said()}.")
        if self.value is not None and "result" in before: self._close()

    def make(self, value=None) -> "Guess":
        "Commits to `value`, by default to what the control says."
        if self.button.disabled:
            raise ValueError(f"the guess {self.name!r} has met its result; it stays what it was")
        if value is not None: self._set_to(value)
        self.value = self._value_of()
        if self.value is None: self._say("Choose first.")
        else:   # a result that is already there belonged to another question of this name
            self._keep(question=self.question, guess=self.value, said=self.said(),
                       result=None, result_said=None)
        return self

    def _keep(self, **values):
        try:
            keep("guesses", self.name, **values)
            self._say(f"Kept: {self.said()}." if self.value is not None else "")
        except CourseError as err: self._say(str(err))

    def _close(self):
        self.button.disabled = True
        for control in (self.control, *getattr(self.control, "children", ())): control.disabled = True

    def _say(self, text): self._note.value = f"<div role='status'>{html.escape(text)}</div>"

    def _show(self, result_said: str, result, figure=None, alt=""):
        "What `.result` shows; the guess is closed, and the result goes beside it into the learner's file."
        mine = "You made no guess." if self.value is None else f"Your guess: {self.said()}."
        if self.value is not None:
            self._keep(result=result, result_said=result_said)
            self._close()
        text = f"{mine} Here: {result_said}."
        picture = inline_svg(figure, alt or text) if figure is not None else ""
        said = f"<p>{html.escape(mine)} <strong>Here: {html.escape(result_said)}.</strong></p>"
        return Page(text, said + picture)

    def __repr__(self):
        return f"{self.question} " + ("(no guess yet)" if self.value is None else f"(guess: {self.said()})")

WRAP = """<style>
.ft-choices label {display: flex; flex-direction: row-reverse; justify-content: flex-end; gap: .4em;
  align-items: baseline; white-space: normal; height: auto; line-height: 1.4}
.ft-choices label input {flex: none}
.ft-choices .widget-radio-box {height: auto}
</style>"""

def _radio(options) -> ipw.RadioButtons:
    "Radio buttons of which none is chosen."
    buttons = ipw.RadioButtons(options=options, value=None, layout={"width": "auto"})
    buttons.add_class("ft-choices")
    return buttons

class GuessChoice(Guess):
    "One of several answers."
    def __init__(self, name, question, choices):
        self.choices = [str(c) for c in choices]
        if len(self.choices) < 2 or len(set(self.choices)) < len(self.choices):
            raise ValueError(f"the guess {name!r} has the choices {self.choices}; "
                             "it needs two or more different ones")
        control = _radio(self.choices)
        def put(value):
            if str(value) not in self.choices:
                raise ValueError(f"{value!r} is none of {', '.join(self.choices)}")
            control.value = str(value)
        super().__init__(name, question, control, lambda: control.value, put)
        self.children = (ipw.HTML(WRAP), *self.children)

    def said(self): return str(self.value)

    def result(self, value) -> Page:
        "Guess and result, in words."
        return self._show(str(value), str(value))

def _check_scale(name: str, low, high, log: bool = False):
    "Raises `ValueError` for ends between which there is nothing to guess."
    for end in (low, high):
        if isinstance(end, bool) or not isinstance(end, numbers.Real) or not math.isfinite(end):
            raise ValueError(f"the scale of {name!r} ends at {end!r}; both ends have to be numbers")
    if not low < high:
        raise ValueError(f"the scale of {name!r} goes from {low:g} to {high:g}; "
                         "its first end has to be the smaller one")
    if log and low <= 0:
        raise ValueError(f"the scale of {name!r} begins at {low:g}; "
                         "one on which each step multiplies begins above 0")

def _on_scale(value, low, high) -> float:
    "The number, held between the ends. Raises `ValueError` for one beyond them, and for what is no number."
    slack = 1e-9*(abs(low) + abs(high))   # powers of ten are off in the last digit
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not low - slack <= value <= high + slack:
        raise ValueError(f"{value!r} is not between {low:g} and {high:g}")
    return min(max(value, low), high)

def _as_numbers(values, what: str) -> list[float]:
    "The values as floats. Raises `ValueError` that names the first that is no number."
    found = []
    for v in values:
        try: found.append(float(v))
        except (TypeError, ValueError) as err:
            raise ValueError(f"{what} has {v!r}, which is no number") from err
    return found

def _number_slider(low, high, step, unit: str, log: bool):
    "A slider between the ends; whole numbers where ends and step are."
    wide = {"description": unit or "guess", "layout": {"width": "30em", "max_width": "100%"}}
    if log:
        middle = math.sqrt(low)*math.sqrt(high)
        return ipw.FloatLogSlider(value=middle, base=10, min=math.log10(low), max=math.log10(high),
                                  step=step or .1, readout_format=".2g", **wide)
    step = step or (high - low)/100
    if all(float(v).is_integer() for v in (low, high, step)) and isinstance(low, numbers.Integral):
        low, high, step = int(low), int(high), int(step)
        return ipw.IntSlider(value=(low + high) // 2, min=low, max=high, step=step, readout_format="d", **wide)
    return ipw.FloatSlider(value=(low + high)/2, min=low, max=high, step=step, readout_format=".4g", **wide)

class GuessNumber(Guess):
    "A number on a scale."
    def __init__(self, name, question, low, high, step=None, unit="", log=False):
        _check_scale(name, low, high, log)
        if step is not None and not step > 0:
            raise ValueError(f"the step of {name!r} is {step!r}; it has to be above 0")
        self.low, self.high, self.unit, self.logarithmic = low, high, unit, log
        control = _number_slider(low, high, step, unit, log)
        def put(value):
            value = _on_scale(value, low, high)
            if isinstance(control, ipw.IntSlider):
                if value != round(value):
                    raise ValueError(f"{value!r} is no whole number, and this scale has only those")
                value = round(value)
            control.value = value
        super().__init__(name, question, control, lambda: control.value, put)

    def said(self): return f"{self.value:.4g} {self.unit}".strip()

    def result(self, value: float, low: float = None, high: float = None) -> Page:
        "Guess and result on one scale, with the result's 95 % interval where it is given."
        value, *ends = _as_numbers([value] if low is None or high is None else [value, low, high], "the result")
        said = f"{value:.3g}"
        if ends: said += f" [{ends[0]:.3g}, {ends[1]:.3g}]"
        if self.unit: said += f" {self.unit}"
        return self._show(said, [value, *ends], self._picture(value, ends))

    def _picture(self, value, ends):
        figure, (ax,) = axes(6, 1.1)
        ax.spines["left"].set_visible(False)
        shown = [v for v in (self.low, self.high, value, *ends) if math.isfinite(v)]
        ax.set(yticks=[], ylim=(-1, 1.6), xlabel=self.unit, xlim=(min(shown), max(shown)))
        if self.logarithmic and min(shown) > 0: ax.set_xscale("log")
        if ends: ax.plot(ends, [0, 0], color=BLUE, lw=6, alpha=.4, solid_capstyle="butt")
        points = [(value, "result", "o", BLUE, 8)]
        if self.value is not None: points.append((self.value, "guess", "D", RED, -14))
        for at, what, marker, colour, above in points:
            if not math.isfinite(at): continue
            ax.plot(at, 0, marker, color=colour, ms=5)
            ax.annotate(what, (at, 0), (0, above), textcoords="offset points", ha="center",
                        color=colour, fontsize=8)
        return figure

class GuessCurve(Guess):
    "A curve, drawn with one upright slider a point."
    def __init__(self, name, question, x, low, high, xlabel="", ylabel=""):
        _check_scale(name, low, high)
        self.x = _as_numbers(x, f"the x of {name!r}")
        if len(self.x) < 2:
            raise ValueError(f"the curve {name!r} has {len(self.x)} points; it needs two or more")
        self.low, self.high, self.xlabel, self.ylabel = low, high, xlabel, ylabel
        sliders = [self._slider(v) for v in self.x]
        row = {"flex_flow": "row wrap", "overflow": "visible", "min_height": "14em"}
        control = ipw.HBox(sliders, layout=row)
        def put(values):
            if isinstance(values, (str, bytes)) or len(values) != len(sliders):
                raise ValueError(f"a guess here is {len(sliders)} numbers between {low:g} and {high:g}")
            for slider, v in zip(sliders, [_on_scale(v, low, high) for v in values]): slider.value = v
        super().__init__(name, question, control, lambda: [s.value for s in sliders], put)
        self.sketch = ipw.HTML()
        for slider in sliders: slider.observe(lambda _: self._sketch(), "value")
        self._sketch()
        self.children = (*self.children[:2], self.sketch, *self.children[2:])

    def _slider(self, x):
        middle, step = (self.low + self.high)/2, (self.high - self.low)/50
        return ipw.FloatSlider(value=middle, min=self.low, max=self.high, step=step, orientation="vertical",
                               description=f"{x:g}", tooltip=f"{self.ylabel} at {self.xlabel} {x:g}".strip(),
                               readout_format=".2f", layout={"height": "13em", "width": "3.6em"})

    def said(self): return ", ".join(f"{v:.3g}" for v in self.value)

    def _axes(self):
        figure, (ax,) = axes(5, 2.2)
        ax.set(xlabel=self.xlabel, ylabel=self.ylabel, xticks=self.x)
        return figure, ax

    def _sketch(self):
        figure, ax = self._axes()
        ax.plot(self.x, self._value_of(), "D-", color=RED, ms=4)
        ax.set_ylim(self.low, self.high)
        self.sketch.value = inline_svg(figure, f"your sketch of {self.ylabel} over {self.xlabel}")

    def result(self, values, x=None, low=None, high=None) -> Page:
        "Both curves in one picture; `values` at `x`, by default at the guess's points."
        values, x = _as_numbers(values, "the result"), self.x if x is None else _as_numbers(x, "x")
        if not values or len(values) != len(x):
            raise ValueError(f"the result of {self.name!r} has {len(values)} values for {len(x)} points; "
                             "there has to be one for each")
        figure, ax = self._axes()
        if low is not None and high is not None: ax.fill_between(x, low, high, color=BLUE, alpha=.2, lw=0)
        both = [(x, values, "result", "o-", BLUE)]
        if self.value is not None: both.append((self.x, self.value, "guess", "D--", RED))
        for at, heights, what, line, colour in both:
            ax.plot(at, heights, line, color=colour, ms=4)
            ax.annotate(what, (at[-1], heights[-1]), (5, 0), textcoords="offset points", va="center",
                        color=colour, fontsize=8)
        left, right = min(*x, *self.x), max(*x, *self.x)
        ax.set_xlim(left, left + 1.15*(right - left))
        return self._show(f"{values[0]:.3g} at {x[0]:g}, {values[-1]:.3g} at {x[-1]:g}", values, figure,
                          f"guessed and measured {self.ylabel} over {self.xlabel}")

def guess_choice(
    name: str,        # "06.rate"
    question: str,
    choices: list,    # three or four answers
) -> GuessChoice:
    "A guess among several answers; `.result(answer)` shows both."
    return GuessChoice(name, question, choices)

def guess_number(
    name: str,
    question: str,
    low: float,         # ends of the scale
    high: float,
    step: float = None, # of the slider; with `log`, in powers of ten
    unit: str = "",     # "points of macro-F1"
    log: bool = False,  # each step multiplies
) -> GuessNumber:
    "A guess on a scale; `.result(value, low, high)` shows both, with the interval."
    return GuessNumber(name, question, low, high, step, unit, log)

def guess_curve(
    name: str,
    question: str,
    x: list[float],     # five to eight points
    low: float,         # ends of the upright scale
    high: float,
    xlabel: str = "",
    ylabel: str = "",
) -> GuessCurve:
    "A sketched curve; `.result(values)` shows both."
    return GuessCurve(name, question, x, low, high, xlabel, ylabel)

def guesses(
    chapter: str,   # "06"
) -> Page:
    "The chapter's guesses beside what came out, as a table."
    rows = [[e.get("question", name), e.get("said", ""), e.get("result_said", "not yet")]
            for name, e in recall("guesses").items() if name.startswith(f"{chapter}.")]
    title = "Your guesses" if rows else "You made no guesses in this chapter yet."
    return table_page(title, ["question", "guess", "result"], rows)

class Quiz(ipw.VBox):
    "A question with its choices; choosing one shows whether it is right, and why."
    def __init__(self, name: str):
        self.name, self.found, self._said = name, quiz_question(name), ""
        self.control = _radio([(c["text"].replace("`", ""), i) for i, c in enumerate(self.found["choices"])])
        self.control.observe(lambda change: self._answered(change["new"]), "value")
        self.reason = _note("You had this one right." if recall("quizzes", name).get("right") is True else "")
        question = ipw.HTML(f"{WRAP}<p><strong>{marked_up(self.found['question'])}</strong></p>")
        super().__init__([question, self.control, self.reason])

    def choose(self, number: int) -> "Quiz":
        "Chooses the choice of this number, counted from 0."
        n = len(self.found["choices"])
        if isinstance(number, bool) or number not in range(n):
            raise ValueError(f"{self.name} has the choices 0 to {n - 1}, not {number!r}")
        self.control.value = number
        return self

    def _answered(self, number):
        if number is None: return
        choice = self.found["choices"][number]
        right = bool(choice.get("right"))
        self._said = f"{'✓ Right' if right else '✗ Not so'}: {choice['why']}"
        said = marked_up(self._said)
        try: self._keep(choice["text"], right)
        except CourseError as err: said += f"<br>{html.escape(str(err))}"
        self.reason.value = f"<div role='status'>{said}</div>"

    def _keep(self, text: str, right: bool):
        "Once right, right: a later wrong choice does not take that away."
        before = recall("quizzes", self.name)
        answers = before.get("answers") if isinstance(before.get("answers"), list) else []
        right = True if right or before.get("right") is True else None
        keep("quizzes", self.name, answers=[*answers, text][-20:], right=right)

    def __repr__(self): return f"{self.found['question']}" + (f"\n{self._said}" if self._said else "")

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
    if not names:
        chapters = sorted({n.split(".")[0] for n in quiz_names()})
        raise ValueError(f"chapter {name!r} has no quiz{did_you_mean(name, chapters)}; "
                         f"there is one in {', '.join(chapters)}")
    return Questions([Quiz(n) for n in names])

@dataclass(frozen=True)
class Control:
    "How a setting is turned: a kind, its limits or options, and why one would."
    label: str
    kind: str             # "log", "float", "int" or "choice"
    low: float = None
    high: float = None
    options: tuple = ()
    why: str = ""

CONTROLS = {
    "learning_rate": Control("learning rate", "log", 1e-6, 1e-2, why=(
        "how far a step moves the weights. Small: little is learnt in the time. "
        "Large: what the model knew is overwritten, then the loss stops falling")),
    "num_train_epochs": Control("epochs", "int", 1, 12, why=(
        "passes over the rows. More: training loss falls on; "
        "validation loss turns up when the rows are learnt by heart")),
    "per_device_train_batch_size": Control("batch size", "choice", options=(4, 8, 16, 32, 64, 128), why=(
        "rows in a step. Small: more steps, noisier. Large: fewer steps, more memory, wants a larger rate")),
    "gradient_accumulation_steps": Control("accumulation", "choice", options=(1, 2, 4, 8), why=(
        "batches in a step: a large batch in the memory of a small one")),
    "weight_decay": Control("weight decay", "choice", options=(0., .001, .01, .1, 1., 10.), why=(
        "pulls weights towards 0 by rate × decay a step. In a short run little moves")),
    "warmup_steps": Control("warm-up", "float", 0., .5, why=(
        "share of the steps in which the rate rises from 0. "
        "Without it the first steps, on a random head, are the largest")),
    "lr_scheduler_type": Control("schedule", "choice",
        options=("linear", "cosine", "constant", "constant_with_warmup"), why=(
        "how the rate falls after the warm-up. Constant: the last steps are as restless as the first")),
    "max_grad_norm": Control("clip at", "log", .01, 100., why=(
        "longest gradient that a step may use. Small: many steps are shortened")),
    "max_length": Control("longest text", "choice", options=(16, 32, 64, 128, 256), why=(
        "tokens read of each text. Shorter is faster, and blind to the rest")),
    "dropout": Control("dropout", "float", 0., .7, why=(
        "share of the activations zeroed in training. More: slower to learn, harder to learn by heart")),
    "early_stopping": Control("patience", "choice", options=("off", 1, 2, 3), why=(
        "epochs without a better validation loss after which the run ends; "
        "the best epoch's weights come back")),
    "rows": Control("training rows", "choice", options=(50, 100, 200, 400, 800, 1600, 3200), why=(
        "labelled rows. More: more steps in an epoch, less to learn by heart, and each costs labelling")),
    "head_rate": Control("head's rate ×", "log", 1., 100., why=(
        "the new head starts from nothing and may learn faster than the rest")),
    "k": Control("last layers", "int", 1, 12, why=(
        "layers that train. Fewer: cheaper, less to forget, less to learn with")),
}

def control_of(
    name: str,
    default,       # the setting's default
    metadata=(),   # a method's field may carry {"control": Control(...)}
) -> Control:
    """The control of a setting, made up from its type where none is written down.
    Raises `ValueError` where there is none."""
    control = metadata["control"] if "control" in metadata else CONTROLS.get(name) or _made_up(name, default)
    if control.kind != "choice" and not isinstance(default, numbers.Real):
        raise ValueError(f"{name}={default!r} is no number, and its control needs one; "
                         "leave it out of `controls`")
    if control.kind == "log" and not 0 < default < math.inf:
        raise ValueError(f"{name}={default!r} has no place on a scale on which each step multiplies; "
                         "leave it out of `controls`, or begin with a number above 0")
    return control

def _made_up(name: str, default) -> Control:
    if isinstance(default, bool): return Control(name, "choice", options=(False, True))
    if isinstance(default, int): return Control(name, "int", min(1, default), max(4*default, 4))
    if isinstance(default, float) and default > 0: return Control(name, "log", default/100, default*100)
    raise ValueError(f"{name}={default!r} has no control; leave it out of `controls`, or give its field "
                     "metadata={'control': Control(...)}")

def _slider(control: Control, value):
    "The ipywidget of a control."
    style = {"value": value, "description": control.label, "style": {"description_width": "7.5em"},
             "layout": {"width": "25em", "max_width": "100%"}}
    if control.kind == "choice":
        return ipw.SelectionSlider(options=[(_option(v), v) for v in _options(control, value)], **style)
    low, high = min(control.low, value), max(control.high, value)
    if control.kind == "log":
        form = ".1e" if control.high < 1 else ".2g"
        return ipw.FloatLogSlider(base=10, min=math.log10(low), max=math.log10(high), step=.125,
                                  readout_format=form, **style)
    if control.kind == "int": return ipw.IntSlider(min=low, max=high, **style)
    return ipw.FloatSlider(min=low, max=high, step=.05, readout_format=".2f", **style)

def _options(control: Control, value) -> list:
    "The control's options with `value` among them, numbers in order."
    options = list(control.options)
    if value not in options: options.append(value)
    return options if any(not isinstance(v, (int, float)) for v in options) else sorted(options)

def _option(value) -> str:
    "An option as the slider shows it."
    if isinstance(value, bool): return str(value)
    if isinstance(value, int): return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)

def _same_setting(a, b) -> bool:
    "Are they the same setting? A slider of powers of ten is off in the last digit."
    if isinstance(a, float) and isinstance(b, (int, float)): return math.isclose(a, b, rel_tol=1e-6)
    return a == b

def _fitting(name: str, slider, value):
    "The value as this slider takes it. Raises `ValueError` for one that it does not have."
    if hasattr(slider, "options"):
        allowed = [v for _, v in slider.options]
        if value not in allowed:
            raise ValueError(f"{name}={value!r}: this control has {', '.join(map(str, allowed))}")
        return value
    low, high = slider.min, slider.max
    if isinstance(slider, ipw.FloatLogSlider): low, high = 10**low, 10**high
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not low - 1e-3*abs(low) <= value <= high + 1e-3*abs(high):
        raise ValueError(f"{name}={value!r}: this control goes from {low:g} to {high:g}")
    if isinstance(slider, ipw.IntSlider):
        if value != round(value):
            raise ValueError(f"{name}={value!r}: this control has whole numbers, {low} to {high}")
        return round(value)
    return float(value)

class Dials(ipw.VBox):
    "A slider a setting, with the default and the reason beside it."
    def __init__(
        self,
        controls: dict[str, Control],
        defaults: dict,
    ):
        self.controls, self.defaults = controls, defaults
        self.sliders = {name: _slider(control, defaults[name]) for name, control in controls.items()}
        self.reasons = {name: ipw.HTML(layout={"flex": "1 1 16em", "min_width": "12em"}) for name in controls}
        line = {"flex_flow": "row wrap", "align_items": "center"}
        super().__init__([ipw.HBox([self.sliders[n], self.reasons[n]], layout=line) for n in controls])
        for slider in self.sliders.values(): slider.observe(lambda _: self._explain(), "value")
        self._explain()

    def _explain(self):
        for name, reason in self.reasons.items():
            default = self.defaults[name]
            mark = f"default {html.escape(_option(default))}"
            if not _same_setting(self.sliders[name].value, default): mark = f"<strong>changed</strong>, {mark}"
            reason.value = ("<span style='font-size:.9em;line-height:1.3;display:block'>"
                            f"{mark} · {marked_up(self.controls[name].why)}</span>")

    @property
    def values(self) -> dict:
        "The settings as the sliders have them."
        return {name: slider.value for name, slider in self.sliders.items()}

    def set(self, **settings):
        "Turns sliders, all of them or none. Raises `ValueError` for what there is not, or beyond its limits."
        for name in settings:
            if name not in self.sliders:
                raise ValueError(f"this panel has no control {name!r}{did_you_mean(name, self.sliders)}; "
                                 f"it has {', '.join(self.sliders)}")
        fitting = {name: _fitting(name, self.sliders[name], value) for name, value in settings.items()}
        for name, value in fitting.items(): self.sliders[name].value = value

    def on_change(self, action):
        "Calls `action()` whenever a slider was moved."
        for slider in self.sliders.values(): slider.observe(lambda _: action(), "value")

@dataclass(frozen=True)
class Cost:
    "What a run is expected to take: `seconds`, and `mb` of memory beyond what the process holds."
    seconds: float
    mb: float
    def __str__(self):
        time_said = f"{self.seconds:.0f} s" if self.seconds < 90 else f"{self.seconds/60:.1f} minutes"
        return f"about {time_said} and {self.mb/1000:.1f} GB of memory"

from ft_course.estimators import FineTunedClassifier, FineTunedGenerator
from ft_course.training import (Callback, EarlyStopping, gflops, HParams, LastLayers, layer_stack, Method,
                                step_plan, Validation)

def _sketch(estimator, n_labels: int = 2):
    "The estimator's network after its method, without weights: shapes and what trains."
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification
    from ft_course.models import _keep_layers, quiet_transformers, resolve_model
    where = resolve_model(estimator.model)
    with torch.device("meta"), quiet_transformers():
        if isinstance(estimator, FineTunedClassifier):
            config = AutoConfig.from_pretrained(**where, num_labels=n_labels)
            if estimator.layers is not None: _keep_layers(config, estimator.layers, estimator.model)
            model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        else: model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(**where), dtype=torch.float32)
        return as_method(estimator.method).apply(model)

def _dropout(estimator) -> float:
    "The share that the estimator's own model drops; 0 where it drops nothing or cannot be sketched."
    from torch import nn
    try: network = _sketch(estimator)
    except Exception: return 0.   # `experiment` or the run says what is wrong with it
    return next((m.p for m in network.modules() if isinstance(m, nn.Dropout)), 0.)

@dataclass(frozen=True)
class _Sizes:
    "Numbers of weights in a network, and how its layers look."
    weights: int            # all
    trained: int
    in_layers: int          # all that stand in layers
    trained_in_layers: int
    layers: int
    layers_back: int        # from the lowest layer that trains to the last
    hidden: int
    heads: int

def _sizes(estimator, n_labels: int = 2) -> _Sizes:
    network = _sketch(estimator, n_labels)
    layers = layer_stack(network)[1]
    def count(parameters, trained=False):
        return sum(p.numel() for p in parameters if p.requires_grad or not trained)
    in_training = [any(p.requires_grad for p in layer.parameters()) for layer in layers]
    lowest = in_training.index(True) if any(in_training) else len(layers)
    config = network.config
    return _Sizes(count(network.parameters()), count(network.parameters(), True), count(layers.parameters()),
                  count(layers.parameters(), True), len(layers), len(layers) - lowest,
                  config.hidden_size, config.num_attention_heads)

@functools.cache
def _machine_speed() -> float:
    "GFLOP/s of this machine, measured once a session."
    return gflops()

def _cost(sizes: _Sizes, hparams, lengths: list[int], scored: list[int], scorings: int, speed: float) -> Cost:
    plan = step_plan(list(lengths), hparams)
    padded = [max(lengths[i] for i in batch)*len(batch) for _, batches in plan for batch in batches]
    forward = 2*sizes.in_layers
    back = 2*sizes.in_layers*sizes.layers_back/sizes.layers + 2*sizes.trained_in_layers
    operations = sum(padded)*(forward + back) + scorings*sum(scored)*forward
    # matrix products are about three quarters of a step;
    # AdamW reads and writes every trained weight's four numbers
    seconds = operations/(.75*speed*1e9) + len(plan)*sizes.trained*16/8e9 + 2 + .3*scorings
    a_token = 68*sizes.hidden + 10*sizes.heads*max(lengths, default=0)
    activations = max(padded, default=0)*sizes.layers_back*a_token
    return Cost(seconds, (4*sizes.weights + 12*sizes.trained + activations)/1e6)

def expected_cost(
    estimator,             # unfitted
    lengths: list[int],    # tokens in each training row
    scored: list[int] = (),# tokens in each validation row
    scorings: int = 0,     # how often they are scored
    labels: list = ("a", "b"),
    speed: float = None,   # GFLOP/s of matrix products; measured by default
) -> Cost:
    "Seconds and memory that `fit` is expected to take on this machine, from shapes alone."
    sizes = _sizes(estimator, len(labels))
    return _cost(sizes, estimator.hparams, lengths, scored, scorings, speed or _machine_speed())

def _own_fields(thing) -> dict:   # name -> dataclass field; empty for what is no dataclass
    return {f.name: f for f in fields(thing) if f.init} if is_dataclass(thing) else {}

class Settings:
    "What of a run can be turned: `controls` and `defaults` by name, and the estimator that given values make."
    def __init__(
        self,
        estimator,       # unfitted
        task,
        names: tuple,    # of the controls that are wanted; the method's own fields come along
        rows: int = None,  # training rows where they are not turned; all by default
    ):
        self.estimator, self.task = estimator, task
        self.most = len(task.data["train"])
        self.rows = min(rows or self.most, self.most)
        self.of_hparams, self.of_method = _own_fields(estimator.hparams), _own_fields(estimator.method)
        every = ({"dropout": _dropout(estimator), "early_stopping": "off", "rows": self.rows}
                 | {n: getattr(estimator.hparams, n) for n in self.of_hparams}
                 | {n: getattr(estimator.method, n) for n in self.of_method})
        for name in names:
            if name not in every:
                raise ValueError(f"controls has {name!r}, which is no setting of this run"
                                 f"{did_you_mean(name, every)}; there are {', '.join(every)}")
        self.controls = {name: self._control(name, every[name]) for name in names}
        for name in self.of_method:
            with contextlib.suppress(ValueError):   # a field without a control keeps its value
                if name not in self.controls: self.controls[name] = self._control(name, every[name])
        self.defaults = {name: every[name] for name in self.controls}

    def _control(self, name: str, default) -> Control:
        if name in self.of_method:
            if name == "k" and isinstance(self.estimator.method, LastLayers):
                return replace(CONTROLS["k"], high=len(layer_stack(_sketch(self.estimator))[1]))
            if name == "k" and "control" not in self.of_method[name].metadata: return _made_up(name, default)
            return control_of(name, default, self.of_method[name].metadata)
        control = control_of(name, default)
        if name == "rows":
            fewer = [n for n in control.options if n < self.most]
            return replace(control, options=(*fewer, self.most))
        if name == "warmup_steps" and default >= 1:
            return Control("warm-up", "int", 1, 4*default, why="steps in which the rate rises from 0")
        return control

    def unfitted(self, values: dict, old_task: bool = False):
        "The estimator with these values, unfitted; with `old_task`, it also watches what was known before."
        from sklearn.base import clone
        of_method = {n: v for n, v in values.items() if n in self.of_method}
        rest = {n: v for n, v in values.items() if n not in of_method}
        callbacks = [*self.estimator.callbacks]
        if "dropout" in rest:
            from ft_course.regularization import DropoutRate
            callbacks.append(DropoutRate(rest["dropout"]))
        if rest.get("early_stopping", "off") != "off": callbacks.append(EarlyStopping(rest["early_stopping"]))
        if old_task:
            from ft_course.hyperparameters import KnownBefore
            callbacks.append(KnownBefore(model=self.estimator.model))
        hparams = replace(self.estimator.hparams, **{n: v for n, v in rest.items() if n in self.of_hparams})
        method = replace(self.estimator.method, **of_method) if of_method else self.estimator.method
        return clone(self.estimator).set_params(hparams=hparams, method=method, callbacks=(*callbacks,))

    def rows_of(self, values: dict) -> int:
        "Training rows with these values."
        return self.rows if "rows" in self.of_method else values.get("rows", self.rows)

    def changed(self, values: dict) -> dict:
        "Those of the values that are not the defaults."
        return {name: v for name, v in values.items() if not _same_setting(v, self.defaults[name])}

class Forecast:
    "Expected cost of runs on a task; `factor` is measured seconds per expected second."
    def __init__(self, task):
        self.task, self.factor, self._lengths, self._known = task, 1., {}, {}

    def __call__(self, estimator, rows: int) -> Cost:
        "Raises `CourseError` for a method whose network cannot be sketched."
        train, scored = (self._tokens(estimator, split) for split in ("train", "validation"))
        scorings = 1 + max(8, estimator.hparams.num_train_epochs)
        cost = _cost(self._sizes(estimator), estimator.hparams, train[:rows], scored, scorings,
                     _machine_speed())
        return replace(cost, seconds=cost.seconds*self.factor)

    def _sizes(self, estimator) -> _Sizes:
        key = repr(estimator.method)
        if key not in self._known:
            try: self._known[key] = _sizes(estimator, len(set(self.task.split("train")[1])))
            except (ValueError, CourseError): raise
            except Exception as err:
                raise CourseError(f"What a run costs is not known for {key} before it has run.") from err
        return self._known[key]

    def _tokens(self, estimator, split: str) -> list[int]:
        from ft_course.models import load_tokenizer
        if split not in self._lengths:
            texts, answers = self.task.split(split)
            if not isinstance(estimator, FineTunedClassifier):
                texts = [f"{text} {answer}" for text, answer in zip(texts, answers)]
            self._lengths[split] = [len(ids) for ids in load_tokenizer(estimator.model)(texts)["input_ids"]]
        return [min(n, estimator.hparams.max_length) for n in self._lengths[split]]

_running = threading.Lock()   # held while any panel trains

class _GivenUp(Exception): "Scoring was ended by Stop."

class Watch(Callback):
    "Notes a run's losses and scores; `stopping = True` ends it after its step."
    def __init__(
        self,
        tell=lambda watch: None,   # called when the run begins and after every step
    ):
        self.tell, self.stopping, self.ended = tell, False, False
        self.losses = []        # a step's
        self.points = []        # `step`, `validation_loss`
        self.evaluations = []   # an epoch's
        self.n_steps, self._score = 0, None
    def __repr__(self): return "Watch()"
    def __deepcopy__(self, memo): return self

    def on_train_begin(self, run):
        self.n_steps, self.evaluations, self.began = run.n_steps, run.evaluations, time.perf_counter()
        self._score = next((hook.score for hook in run.hooks if isinstance(hook, Validation)), None)
        self._at = {round(run.n_steps*i/8) for i in range(1, 8)} - {0, run.n_steps}
        self.tell(self)
        if self._score and not self.stopping: self._point(run)

    def _point(self, run):
        "Scores the model as it is; gives up when Stop is pressed meanwhile."
        def give_up(module, given):
            if self.stopping: raise _GivenUp
        run.model.eval()
        hook = run.model.register_forward_pre_hook(give_up)
        try: self.points.append({"step": run.step} | self._score())
        except _GivenUp: pass
        finally: hook.remove()

    def on_epoch_end(self, run):
        last = run.evaluations[-1] if run.evaluations else {}
        if "validation_loss" in last:
            self.points.append({k: v for k, v in last.items() if k == "step" or k.startswith("validation")})

    def on_step_end(self, run):
        self.losses.append(run.history[-1]["loss"])
        scored = self.points and self.points[-1]["step"] == run.step
        if self._score and run.step in self._at and not scored and not self.stopping: self._point(run)
        if self.stopping: run.stop = run.stop or ("stopped by you" if run.step < run.n_steps else "")
        self.tell(self)

    def on_train_end(self, run): self.ended = True

    @property
    def old(self) -> list[dict]:
        "What was known before, epoch by epoch, where it is measured."
        return [e for e in self.evaluations if "old_loss" in e]

    @property
    def seconds_left(self) -> float | None:
        done = len(self.losses)
        return (time.perf_counter() - self.began)/done*(self.n_steps - done) if done > 1 else None

class Job:
    "A training run in a thread of its own; there `when_done(job)` is called at its end."
    latest = None   # of all panels
    def __init__(
        self,
        estimator,
        task,
        tell,        # called with the job's `Watch` when the run begins and after every step
        when_done,
        settings: dict,
        expected: float = None,   # seconds
    ):
        self.estimator, self.task, self.settings, self.expected = estimator, task, settings, expected
        self.watch, self.when_done = Watch(tell), when_done
        self.ended, self.failed, self.seconds = "", None, None   # "finished" or why not; the error; how long
        self.thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> bool:
        "Starts the run; False while another panel's is going on."
        if not _running.acquire(blocking=False): return False
        Job.latest = self
        try: self.thread.start()
        except BaseException:
            if self.thread.ident is None: _running.release()   # it did not begin, so it will not release
            raise
        return True

    def _work(self):
        start = time.perf_counter()
        try:
            self.estimator.set_params(callbacks=(*self.estimator.callbacks, self.watch))
            self.estimator.fit(*self.task.split("train"), validation=self.task.split("validation"))
            self.ended = self.estimator.history_["stopped"] or "finished"
        except BaseException as err: self.failed = err   # also a SystemExit: the panel has to say that it ended
        self.watch.ended, self.seconds = True, time.perf_counter() - start
        try: self.when_done(self)
        finally:
            if Job.latest is self: Job.latest = None   # it holds a model
            _running.release()

    @property
    def alive(self) -> bool: return self.thread.is_alive()

def _final_score(estimator, task) -> dict:
    "`metric` and `score` (with the 95 % interval over items) of a fitted model on the validation rows."
    import numpy as np
    from ft_course.evaluation import interval
    texts, answers = task.split("validation")
    if isinstance(estimator, FineTunedClassifier):
        metric = task.metric.replace("macro_f1", "macro-F1")
        found = interval(np.array(answers), estimator.predict(texts), task.metric)
    else:
        metric, losses = "answer loss", estimator.answer_losses(texts, answers)
        found = interval(np.zeros(len(losses)), losses, "mean")
    return {"metric": metric, "score": f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"}

def _rounded(values: dict) -> dict:
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}

def _record(job: Job, changed: dict, score: dict) -> dict:
    "A run as it is kept: plain values, at most about 200 losses."
    watch, every = job.watch, max(1, len(job.watch.losses) // 200)
    how = {"task": job.task.name, "settings": job.settings, "changed": changed}
    went = {"ended": job.ended, "seconds": round(job.seconds, 1),
            "steps": len(watch.losses), "of": watch.n_steps}
    drawn = {"losses": [round(x, 4) for x in watch.losses[::every]], "every": every,
             "points": [_rounded(p) for p in watch.points], "old": [_rounded(e) for e in watch.old]}
    return how | went | drawn | score

def _folder_name(name: str) -> str:
    "A name that any system takes for a folder; different names stay different."
    plain = re.sub(r"[^\w.\- ]", "-", name).strip(" .")[:60].strip(" .")
    reserved = re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", plain)
    if plain == name and not reserved: return name
    return f"{plain or 'panel'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"

_NUMBER = (int, float)
_FIELDS = {"run": int, "steps": int, "of": int, "seconds": _NUMBER, "ended": str, "metric": str, "score": str,
           "settings": dict, "changed": dict, "losses": list, "points": list, "old": list}

def _is_record(found) -> bool:
    "Is it a run's record, every field of its type?"
    def holds(value, kind): return isinstance(value, kind) and not isinstance(value, bool)
    def all_have(rows, *names):
        return all(isinstance(row, dict) and all(holds(row.get(n), _NUMBER) for n in names) for row in rows)
    if not isinstance(found, dict) or not all(holds(found.get(name), kind) for name, kind in _FIELDS.items()):
        return False
    every = found.get("every", 1)
    return (holds(every, int) and every > 0 and all(holds(loss, _NUMBER) for loss in found["losses"])
            and all_have(found["points"], "step", "validation_loss")
            and all_have(found["old"], "step", "old_loss"))

def _run_files(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob("*.json") if p.stem.isdecimal()), key=lambda p: int(p.stem))

class Runs:
    """The records of a panel's runs, in memory and in a learner's copy on disk;
    `left_out` names the files that are none."""
    def __init__(
        self,
        name: str = None,   # of the panel; None keeps nothing on disk
    ):
        copy = learner_folder() if name else None
        self.folder = copy and copy/"runs"/_folder_name(name)
        self.records, self.left_out, self._on_disk = [], [], set()
        with contextlib.suppress(OSError):   # a folder that may not be read counts as empty
            for file in _run_files(self.folder) if self.folder else []: self._read(file)

    def _read(self, file: Path):
        try: found = json.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError): found = None
        if _is_record(found) and found["run"] == int(file.stem):
            self.records.append(found)
            self._on_disk.add(found["run"])
        else: self.left_out.append(file.name)

    def add(self, record: dict) -> dict:
        "Numbers the run and keeps it. Raises `CourseError` when it cannot be written; it is in memory then."
        record["run"] = max((r["run"] for r in self.records), default=0) + 1
        self.records.append(record)
        self.save(record)
        return record

    def save(self, record: dict):
        "Writes the record; a new one under a number that no other notebook has taken."
        if self.folder is None: return
        from filelock import FileLock, Timeout
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder/".lock", timeout=10):
                if record["run"] not in self._on_disk:
                    others = [r["run"] for r in self.records if r is not record]
                    on_disk = [int(p.stem) for p in _run_files(self.folder)]
                    record["run"] = max([*others, *on_disk], default=0) + 1
                with atomic_path(self.folder/f"{record['run']:03d}.json") as tmp:
                    tmp.write_text(json.dumps(record, default=str), encoding="utf-8")
                self._on_disk.add(record["run"])
        except Timeout as err:
            raise CourseError(f"{self.folder} has been in use by another notebook for ten seconds; "
                              "the run is kept in memory, until this kernel ends.") from err
        except OSError as err: raise disk_error(err, self.folder) from err

    def find(self, number: int) -> dict:
        "The record of this number. Raises `ValueError` if there is none."
        found = next((r for r in self.records if r["run"] == number), None)
        if found is None:
            known = ", ".join(str(r["run"]) for r in self.records)
            there = f"there are {known}" if known else "press Run first"
            raise ValueError(f"there is no run {number!r}; {there}")
        return found

    @property
    def pinned(self) -> list[dict]:
        "The records whose curves stay in the picture."
        return [r for r in self.records if r.get("pinned") is True]

    def __len__(self): return len(self.records)

def _table_row(record: dict) -> dict:
    def said(value): return f"{value:g}" if isinstance(value, float) else str(value)
    losses = [p["validation_loss"] for p in record["points"]]
    row = {"run": record["run"],
           "changed": ", ".join(f"{k} {said(v)}" for k, v in record["changed"].items()) or "nothing",
           "validation loss": losses[-1] if losses else None, "lowest": min(losses, default=None),
           record["metric"]: record["score"]}
    if record["old"]: row["old task's loss"] = record["old"][-1]["old_loss"]
    pinned = "yes" if record.get("pinned") is True else ""
    return row | {"seconds": record["seconds"], "ended": record["ended"], "pinned": pinned}

def _runs_frame(records: list[dict]):
    import pandas as pd
    return pd.DataFrame([_table_row(r) for r in records]).set_index("run") if records else pd.DataFrame()

def _runs_page(frame) -> Page:
    "The table of runs for the page."
    def said(column, value):
        if not isinstance(value, float): return value
        return f"{value:.0f}" if column == "seconds" else f"{value:.3f}"
    rows = [[number, *(said(c, v) for c, v in row.items())] for number, row in frame.iterrows()]
    return table_page("Runs; one run each, intervals over validation items only", ["run", *frame.columns], rows)

def _export(records: list[dict], file) -> Path:
    if not records: raise ValueError("there is no run to export; press Run first")
    file = Path(file or "runs.csv")
    if file.is_dir(): file = file/"runs.csv"
    if file.exists():
        try:
            with open(file, encoding="utf-8", errors="replace") as there: begins = there.read(12)
        except OSError as err: raise disk_error(err, file) from err
        if not begins.startswith("run,changed"):
            raise ValueError(f"{file} is there already and is no table of runs; give another name")
    with atomic_path(file) as tmp: _runs_frame(records).to_csv(tmp)
    return file

def _line(ax, x, y, colour, said="", offset=(4, 0), **style):
    "A line with its name at its end."
    if not len(x): return
    ax.plot(x, y, color=colour, **style)
    text = {"fontsize": 8, "color": INK} if colour == GREY else {"fontsize": 8, "color": colour}
    if said: ax.annotate(said, (x[-1], y[-1]), offset, textcoords="offset points", va="center", **text)

def _column(rows: list[dict], name: str) -> list: return [r[name] for r in rows]

GREY = "#8a8a8a"

def _loss_picture(losses, points, n_steps, pinned, every) -> str:
    import numpy as np
    figure, (ax,) = axes(6, 2.5)
    for r in pinned:
        steps, heights = _column(r["points"], "step"), _column(r["points"], "validation_loss")
        _line(ax, steps, heights, GREY, f"run {r['run']}", (3, 0), lw=1)
    if len(losses):
        width = max(1, min(10, len(losses) // 4))
        running_mean = np.convolve(losses, np.ones(width)/width, "valid")
        above = not points or running_mean[-1] > points[-1]["validation_loss"]
        _line(ax, (1 + every*np.arange(len(losses)))[width - 1:], running_mean, BLUE, "training", (4, 8 if above else -8))
    steps, heights = _column(points, "step"), _column(points, "validation_loss")
    _line(ax, steps, heights, RED, "validation", (4, -8 if len(losses) and above else 8), marker="o", ms=3)
    ax.set(xlabel="step", ylabel="loss (nats)", xlim=(0, 1.22*max(n_steps, 1)))
    said = f"{len(losses)*every} of {n_steps} steps"
    if points: said += f"; validation loss {points[-1]['validation_loss']:.3f}"
    return inline_svg(figure, said)

def _old_picture(old, n_steps, pinned) -> str:
    figure, (ax,) = axes(4, 2.5)
    for r in pinned:
        _line(ax, _column(r["old"], "step"), _column(r["old"], "old_loss"), GREY, lw=1, marker="o", ms=3)
    _line(ax, _column(old, "step"), _column(old, "old_loss"), GREEN, marker="o", ms=4)
    ax.set(xlabel="step", ylabel="old task's loss (nats)", xlim=(0, 1.05*max(n_steps, 1)))
    ax.set_ylim(bottom=0)
    said = f"old task's loss {old[-1]['old_loss']:.3f}" if old else "the old task's loss is not measured yet"
    return inline_svg(figure, said)

def curves(
    losses: list[float],   # one a step, or one in `every`
    points: list[dict],    # `step`, `validation_loss`
    old: list[dict],       # `step`, `old_loss`
    n_steps: int,
    pinned: list[dict] = (),   # records of runs to show behind
    old_task: bool = False,
    every: int = 1,
) -> str:
    "Training and validation loss over the steps as SVG; beside them the old task's loss, where it is measured."
    pictures = [_loss_picture(losses, points, n_steps, pinned, every)]
    if old_task: pictures.append(_old_picture(old, n_steps, pinned))
    return f"<div style='display:flex;flex-wrap:wrap'>{''.join(pictures)}</div>"

class _Board(ipw.VBox):
    "Everything of the panel that is seen."
    _said = ""   # the last line of status
    def __init__(self, title: str, about: str, dials: Dials):
        self.cost, self.status, self.plot, self.table = _note(""), _note(""), ipw.HTML(), ipw.HTML()
        def button(text, about="", **style): return ipw.Button(description=text, tooltip=about, **style)
        self.run_button = button("Run", "train with these settings", button_style="primary")
        self.stop_button = button("Stop", "finish the step, keep the model")
        self.reset_button = button("Reset", "all settings to their defaults")
        self.choose = ipw.Dropdown(description="run", options=[], layout={"width": "16em"})
        self.pin_button = button("Pin", "keep this run's curve in the picture, or take it out")
        self.use_button = button("Use its settings", "turn the controls to this run's settings")
        self.export_button = button("Export", "write the table to a CSV file")
        head = ipw.HTML(f"<p><strong>{html.escape(title)}</strong>: {html.escape(about)}</p>")
        about_run = ipw.HBox([self.run_button, self.stop_button, self.reset_button])
        about_runs = ipw.HBox([self.choose, self.pin_button, self.use_button, self.export_button],
                              layout={"flex_flow": "row wrap"})
        super().__init__([head, dials, self.cost, about_run, self.status, self.plot, self.table, about_runs,
                          named()])

    def _pressed(self, button, action):
        "Calls `action` when the button is pressed; what goes wrong becomes a sentence."
        def guarded(_):
            try: action()
            except (ValueError, CourseError) as err: self._say(str(err))
        button.on_click(guarded)

    def _say(self, text: str):
        self.status.value = f"<div role='status'>{marked_up(text)}</div>"
        self._said = text
        return self

    def _list(self, records: list[dict]):
        "Table and dropdown of the runs; a new run is chosen, else the choice stays."
        numbers, before = [r["run"] for r in records], [v for _, v in self.choose.options]
        chosen = self.choose.value if numbers == before else numbers[-1] if numbers else None
        if numbers:
            page = _runs_page(_runs_frame(records))
            self.table.value = f"<div style='overflow-x:auto' tabindex='0'>{page.markup}</div>"
        self.choose.options = [(str(n), n) for n in numbers]
        self.choose.value = chosen
        for button in (self.pin_button, self.use_button, self.export_button): button.disabled = not numbers

class _Bench(_Board):
    "The panel before a run: settings, expected cost, earlier runs."
    def __init__(self, task, estimator, controls, rows, validation_rows, old_task, name):
        self.task, self.estimator, self.old_task, self.name = task, estimator, old_task, name
        there = len(task.data["validation"])
        self._validation_rows = min(validation_rows or there, there)
        self._settings = Settings(estimator, task, controls, rows)
        self._dials = Dials(self._settings.controls, self._settings.defaults)
        self._forecast, self._kept = Forecast(task.take(validation=self._validation_rows)), Runs(name)
        rows = self._settings.most if "rows" in self._settings.controls else self._settings.rows
        about = (f"{type(estimator.method).__name__} on {estimator.model}, {rows:,} training rows, "
                 f"{self._validation_rows:,} validation rows")
        super().__init__(task.name, about, self._dials)
        self._resume()
        self._dials.on_change(self._show_cost)
        self._show_cost()

    def _resume(self):
        "Settings as they were before a restart; those that no longer fit keep their defaults."
        before = recall("panels", self.name).get("settings") if self.name else None
        for name, value in before.items() if isinstance(before, dict) else ():
            with contextlib.suppress(ValueError, TypeError): self._dials.set(**{name: value})
        if self._kept.left_out:
            self._say(f"{', '.join(self._kept.left_out)} in {self._kept.folder} cannot be read as a run, "
                      "and is left out.")

    @property
    def controls(self) -> dict:
        "The sliders, by setting."
        return self._dials.sliders

    @property
    def defaults(self) -> dict: return self._settings.defaults

    @property
    def settings(self) -> dict:
        "The settings as the controls have them."
        return self._dials.values

    def set(self, **settings) -> "Experiment":
        """Turns controls: `panel.set(learning_rate=1e-3)`.
        Raises `ValueError` for what there is not, or beyond its limits."""
        self._dials.set(**settings)
        return self

    def reset(self) -> "Experiment":
        "All settings to their defaults."
        return self.set(**self.defaults)

    def unfitted(self):
        "The estimator that Run would train, with the settings of the controls."
        return self._settings.unfitted(self.settings, self.old_task)

    def data(self):
        "The task as Run would train and score it."
        return self.task.take(train=self._settings.rows_of(self.settings), validation=self._validation_rows)

    def expected(self) -> Cost:
        "What a run with these settings is expected to take here; corrected by the runs of this session."
        return self._forecast(self.unfitted(), self._settings.rows_of(self.settings))

    def _show_cost(self):
        try: said = f"Expected: {self.expected()}."
        except (ValueError, CourseError) as err: said = str(err)
        self.cost.value = f"<div role='status'>{html.escape(said)}</div>"

class _Shelf(_Bench):
    "The panel after a run: picture and table of the runs that were kept."
    model = None    # of the last run
    _watch = None   # what this session's last run did

    @property
    def records(self) -> list[dict]: return self._kept.records

    @property
    def runs(self):
        """The runs so far, a DataFrame, one row a run: what was changed, last and lowest validation loss,
        score with its interval over validation items, seconds, how it ended."""
        return _runs_frame(self.records)

    def _keep_run(self, job: Job) -> str:
        "Scores the job's model and keeps the run; what is to be said of it."
        finished, done = job.ended == "finished", f"{len(job.watch.losses)} of {job.watch.n_steps}"
        self.model = job.estimator.set_params(callbacks=())
        if finished and job.expected: self._forecast.factor *= job.seconds/job.expected
        self._say("Scoring…" if finished
                  else f"Ended after step {done} ({job.ended}); the model is kept. Scoring it…")
        score, problem = _final_score(self.model, job.task), ""
        record = _record(job, self._settings.changed(job.settings), score)
        try: self._kept.add(record)
        except CourseError as err: problem = f" {err}"
        how = f" finished after {job.seconds:.0f} s" if finished else f": {job.ended} after step {done}"
        return f"Run {record['run']}{how}. Its model is `panel.model`: it predicts and saves.{problem}"

    def _draw(self):
        "This session's run, or else the last one kept."
        w = self._watch
        if w and w.losses:
            drawn, every = ([*w.losses], [*w.points], w.old, w.n_steps), 1
        elif self.records:
            last = self.records[-1]
            drawn, every = [last[what] for what in ("losses", "points", "old", "of")], last.get("every", 1)
        else: return
        self.plot.value = curves(*drawn, self._kept.pinned, self.old_task, every)

    def _show(self):
        self._list(self.records)
        self._draw()

    def pin(self, run: int = None) -> "Experiment":
        "Keeps the run's curve in the picture, or takes it out again."
        record = self._kept.find(self.choose.value if run is None else run)
        record["pinned"] = record.get("pinned") is not True
        try: self._kept.save(record)
        finally: self._show()
        return self

    def use(self, run: int = None) -> "Experiment":
        "Turns the controls to the run's settings."
        settings = self._kept.find(self.choose.value if run is None else run)["settings"]
        return self.set(**{name: value for name, value in settings.items() if name in self.controls})

    def export(self, file=None) -> "Experiment":
        "Writes the table of runs to a CSV file, `runs.csv` in the present folder by default."
        return self._say(f"{len(self.records)} runs are in {_export(self.records, file)}.")

    def __repr__(self):
        turned = ", ".join(f"{k}={v}" for k, v in self.settings.items())
        return f"Experiment on {self.task.name} ({turned}); {len(self.records)} runs"

def _failure(err: BaseException) -> str:
    "What ended a run, in a sentence."
    if isinstance(err, (ValueError, CourseError)): return str(err)
    return f"The run failed ({type(err).__name__}: {err})."

class Experiment(_Shelf):
    "Controls, expected cost, Run, Stop and Reset, live curves, and a table of the runs; made by `experiment`."
    def __init__(self, *given):
        super().__init__(*given)
        self._job, self._drawn = None, 0.
        for what in ("run", "stop", "reset", "pin", "use", "export"):
            self._pressed(getattr(self, f"{what}_button"), getattr(self, what))
        self._show()

    def run(self, wait: bool = False) -> "Experiment":
        "Starts a run with the present settings; with `wait=True`, returns when it has ended."
        if self._job and self._job.alive: return self._say("A run is going on: wait for it, or press Stop.")
        try: job = self._new_job()
        except (ValueError, CourseError) as err: return self._say(str(err))
        before, self._job, self._watch = (self._job, self._watch), job, job.watch
        self._say("Loading the model…")
        if not job.start():
            self._job, self._watch = before
            return self._say("Another panel is training; two runs would fight for the cores. "
                             "Wait, or press Stop, which ends that run.")
        if self.name:
            with contextlib.suppress(CourseError): keep("panels", self.name, settings=job.settings)
        if not wait: return self
        try: return self.wait()
        except KeyboardInterrupt:   # whoever interrupts the cell wants the run to end
            self.stop()
            raise

    def _new_job(self) -> Job:
        expected = None
        with contextlib.suppress(CourseError): expected = self.expected().seconds
        return Job(self.unfitted(), self.data(), self._news, self._done, self.settings, expected)

    def stop(self) -> "Experiment":
        "Ends the run after its step; the model is kept."
        mine = self._job and self._job.alive
        job = self._job if mine else Job.latest   # the panel of a run may be gone: its cell was run again
        if not job or not job.alive: return self._say("Nothing is running: press Run first.")
        if job.watch.ended: return self._say("The training has ended; its model is being scored.")
        job.watch.stopping = True
        if not mine: return self._say("Stopping the other panel's run after its step…")
        return self._say("Stopping after this step…" if job.watch.n_steps
                         else "Stopping: the model is loaded, makes one step, and is kept…")

    def wait(self, seconds: float = None) -> "Experiment":
        "Returns when the run has ended, or after so many seconds."
        if self._job: self._job.thread.join(seconds)
        return self

    def _news(self, watch: Watch):
        if not watch.losses and not watch.stopping: self._say(f"Training: {watch.n_steps} steps.")
        if not watch.losses or time.perf_counter() - self._drawn < .7: return
        self._drawn = time.perf_counter()
        with contextlib.suppress(Exception): self._draw()   # a picture that fails does not end the run
        if watch.stopping: return
        left = f", about {watch.seconds_left:.0f} s left." if watch.seconds_left else "."
        self._say(f"Step {len(watch.losses)} of {watch.n_steps}{left}")

    def _done(self, job: Job):
        try: self._say(_failure(job.failed) if job.failed else self._keep_run(job))
        except Exception as err:
            self._say("The model is trained and is `panel.model`; "
                      f"scoring it failed ({type(err).__name__}: {err}).")
        with contextlib.suppress(Exception):
            self._show_cost()
            self._show()

STANDARD = ("learning_rate", "num_train_epochs", "per_device_train_batch_size")

def experiment(
    task,                       # a `Task`, or whatever `load_task` takes: an alias, your file
    method: Method = None,      # what trains; its own fields get controls too
    hparams: HParams = None,    # the defaults of the controls
    estimator=None,             # unfitted, a `FineTunedClassifier` or `FineTunedGenerator`; as the metric asks
    controls=STANDARD,          # names of `HParams`, or "dropout", "early_stopping", "rows"
    rows: int = None,           # training rows, the first ones; all by default
    validation_rows: int = 300, # scored about eight times during the run; None for all
    old_task: bool = False,     # also watch what the encoder knew before (`KnownBefore`)
    name: str = None,           # under which settings and runs are kept in a learner's copy; else the task's
) -> Experiment:
    """A panel that trains `estimator` on the task with the settings of its controls.
    Raises `ValueError` for what cannot be trained."""
    from sklearn.base import clone
    from ft_course.data import Task, load_task
    if not isinstance(task, Task): task = load_task(task)
    if estimator is None:
        generated = task.metric in ("loss", "rouge_l", "perplexity")
        estimator = FineTunedGenerator() if generated else FineTunedClassifier()
    _check_parts(task, estimator, method, hparams, rows, validation_rows)
    chosen = {k: v for k, v in {"method": method, "hparams": hparams}.items() if v is not None}
    estimator = clone(estimator).set_params(**chosen)
    _check_trains(estimator)
    controls = (controls,) if isinstance(controls, str) else tuple(dict.fromkeys(controls))
    name = str(name or task.name.replace("/", "-"))
    return Experiment(task, estimator, controls, rows, validation_rows, old_task, name)

def _check_parts(task, estimator, method, hparams, rows, validation_rows):
    "Raises `ValueError` for what an experiment cannot be made of."
    if not isinstance(estimator, (FineTunedClassifier, FineTunedGenerator)):
        given = getattr(estimator, "__name__", type(estimator).__name__)
        raise ValueError(f"{given} has no training that a panel could run; "
                         "give experiment a FineTunedClassifier() or a FineTunedGenerator()")
    if isinstance(method, type):
        raise ValueError(f"method={method.__name__} is a class; write {method.__name__}()")
    if hparams is not None and (isinstance(hparams, type) or not {*_own_fields(HParams)} <= {*_own_fields(hparams)}):
        raise ValueError(f"hparams is {hparams!r}; write HParams(learning_rate=1e-3), say")
    for what, n in (("rows", rows), ("validation_rows", validation_rows)):
        if n is not None and (isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 1):
            raise ValueError(f"{what}={n!r}: it has to be a whole number, 1 or more")
    for split, why in (("train", "learns from them"), ("validation", "draws its curves from them")):
        if split not in task.data or not len(task.data[split]):
            raise ValueError(f"the task {task.name!r} has no {split} rows, and a panel {why}; "
                             "load it with load_task, which makes both")

def _check_trains(estimator):
    try: network = _sketch(estimator)
    except (ValueError, CourseError): raise
    except Exception: return   # a method that cannot be sketched says itself, when it runs, what is wrong
    if not any(p.requires_grad for p in network.parameters()):
        raise ValueError(f"{estimator.method} leaves nothing of {estimator.model} to train; "
                         "choose a method that does, such as Full()")

def _keys(labels: list[str]) -> dict[str, str]:   # key -> label
    "A key for each label: its first free letter, else a digit, else any letter; the 37th may have none."
    keys = {}
    for label in labels:
        wanted = [c for c in label.lower() if c.isalnum()] + [*"1234567890", *string.ascii_lowercase]
        key = next((c for c in wanted if c not in keys), None)
        if key: keys[key] = label
    return keys

def _check_labelling(texts: list, labels: list):
    "Raises `ValueError` for texts or labels with which there is nothing to do."
    for i, text in enumerate(texts):
        if not isinstance(text, str): raise ValueError(f"texts[{i}] is {text!r}; every text has to be a string")
    if len(labels) < 2 or len(set(labels)) < len(labels) or "" in labels:
        raise ValueError(f"the labels are {labels}; there have to be two or more, all different and none empty")

def _read_labels(file: Path, texts: list[str], labels: list[str]) -> dict[int, str]:   # text's number -> label
    "The answers in a labelling file. Raises `CourseError` for a file of something else."
    if not file.exists(): return {}
    def no(why): return CourseError(f"{file} {why}; rename it, or give another file.")
    try:
        with open(file, newline="", encoding="utf-8-sig") as opened: rows = list(csv.DictReader(opened))
    except (OSError, ValueError, csv.Error) as err:
        raise no(f"cannot be read as a labelling file ({err})") from err
    found = {}
    for line, row in enumerate(rows, 2):
        if not {"number", "text", "label"} <= set(row):
            raise no("is not a labelling file (it needs the columns number, text, label)")
        number = int(row["number"]) if str(row["number"]).isdecimal() else -1
        if not 0 <= number < len(texts) or row["text"] != texts[number]:
            raise no(f"holds labels of other texts (line {line})")
        if (row["label"] or "") not in ("", *labels):
            raise no(f"has the label {row['label']!r}, which is none of these")
        found[number] = row["label"] or ""
    return found

class _Answers:
    "Labels given to texts one by one, each written to a CSV file at once."
    def __init__(self, texts: list[str], labels: list[str], file: Path):
        self.texts, self.labels, self.file = texts, labels, file
        self.given = _read_labels(file, texts, labels)              # text's number -> label
        self.order, self.ours = list(self.given), set(self.given)   # to take back; to leave as they are here

    def next(self) -> int | None: return next((i for i in range(len(self.texts)) if i not in self.given), None)

    def add(self, label: str):
        if (i := self.next()) is None: return
        self.given[i] = label
        self.order.append(i)
        self.ours.add(i)
        self.write()

    def take_back(self):
        self.given.pop(self.order.pop(), None)
        self.write()

    def write(self):
        "Writes the file, with what another notebook answered meanwhile."
        theirs = _read_labels(self.file, self.texts, self.labels)
        self.given |= {i: a for i, a in theirs.items() if i not in self.ours}
        with atomic_path(self.file) as tmp: self.table().to_csv(tmp, index=False)

    def table(self):
        import pandas as pd
        rows = [{"number": i, "text": self.texts[i], "label": a} for i, a in sorted(self.given.items())]
        return pd.DataFrame(rows, columns=["number", "text", "label"])

class _Desk(ipw.VBox):
    "What is seen of the labelling: text, buttons, the field for keys, guidelines, status."
    def __init__(self, labels: list[str], guidelines: str):
        self.key_of, row = _keys(labels), {"flex_flow": "row wrap"}
        self.field = ipw.Text(description="key", placeholder="type here", layout={"width": "16em"})
        self.text, self.status = _note(""), _note("")
        key = {label: f" ({key})" for key, label in self.key_of.items()}
        texts = {l: l + key.get(l, "") for l in labels} | {"": "Skip (?)"}
        self.buttons = {label: ipw.Button(description=text) for label, text in texts.items()}
        self.undo_button = ipw.Button(description="Undo")
        rules = marked_up(guidelines).replace("\n", "<br>")
        side = ipw.HTML(f"<div>{rules}</div>", layout={"flex": "1 1 18em"})
        buttons = ipw.HBox([*self.buttons.values(), self.undo_button], layout=row)
        work = ipw.VBox([self.text, buttons, self.field, self.status], layout={"flex": "2 1 24em"})
        super().__init__([ipw.HBox([work, side], layout=row)])

    def _say(self, text: str) -> "Labeller":
        self.status.value = f"<div role='status'>{html.escape(text)}</div>"
        return self

    def _put(self, text: str | None):
        style = "font-size:1.2em;min-height:3em"
        self.text.value = "<p>All done.</p>" if text is None else f"<p style='{style}'>{html.escape(text)}</p>"

class Labeller(_Desk):
    "Texts to label one by one; `table` holds what was answered, `file` is its CSV."
    def __init__(self, texts, labels, guidelines, file):
        if isinstance(texts, str): raise ValueError("texts is one string; give a list of strings")
        self.texts, self.labels, self.file = list(texts), [str(l) for l in labels], Path(file)
        _check_labelling(self.texts, self.labels)
        self._answers, self._typed = _Answers(self.texts, self.labels, self.file), ""
        super().__init__(self.labels, guidelines)
        self.field.observe(lambda change: self._type(change["new"]), "value")
        for label, button in self.buttons.items(): button.on_click(lambda _, label=label: self.answer(label))
        self.undo_button.on_click(lambda _: self.undo())
        self._show()

    @property
    def answers(self) -> dict[int, str]:
        "The labels given so far, by the text's number."
        return self._answers.given

    @property
    def table(self):
        "A DataFrame: `number` (of the text, from 0), `text`, `label`; skipped texts have an empty label."
        return self._answers.table()

    def answer(self, label: str) -> "Labeller":
        "Labels the present text; an empty string skips it."
        label = "" if label is None else str(label)
        if label and label not in self.labels:
            raise ValueError(f"{label!r} is no label here{did_you_mean(label, self.labels)}; "
                             f"there are {', '.join(self.labels)}")
        return self._done(lambda: self._answers.add(label))

    def undo(self) -> "Labeller":
        "Takes the last answer back."
        if self._answers.order: return self._done(self._answers.take_back)
        return self._say("There is nothing to take back.")

    def _done(self, action) -> "Labeller":
        problem = ""
        try: action()
        except CourseError as err: problem = f"{err} Your answers are kept until this kernel ends."
        self._show()
        return self._say(problem) if problem else self

    def _type(self, now: str):
        "The field holds all keys so far: what was added is answered, what was deleted is taken back."
        if now == self._typed: return
        kept, unknown = os.path.commonprefix([self._typed, now]), ""
        for _ in self._typed[len(kept):]: self.undo()
        for key in now[len(kept):]:
            if self._answers.next() is None: break
            if key != "?" and key.lower() not in self.key_of: unknown = key
            else:
                self.answer("" if key == "?" else self.key_of[key.lower()])
                kept += key
        self._typed = self.field.value = kept
        if unknown:
            there = ", ".join(f"{key} ({label})" for key, label in self.key_of.items())
            self._say(f"The key {unknown!r} stands for no label; there are {there} and ?.")

    def _show(self):
        i, skipped = self._answers.next(), sum(not a for a in self.answers.values())
        self._put(None if i is None else self.texts[i])
        self._say(f"{len(self.answers)} of {len(self.texts)}" + (f", {skipped} skipped" if skipped else ""))

    def __repr__(self): return f"Labelling {len(self.texts)} texts: {len(self.answers)} answered"

def label(
    texts,             # what to label
    labels,            # the labels there are
    guidelines: str = "",   # what each label means, shown beside the text
    file="labels.csv", # where the answers go, after each one
) -> Labeller:
    """A widget that shows one text at a time and keeps its label; resumable.
    Raises `CourseError` for a file of other texts."""
    return Labeller(texts, labels, guidelines, file)
