"Sliders for settings, each with its default and the reason why one would move it."
import html
import math
import numbers
from dataclasses import dataclass

import ipywidgets as ipw

from ft_course.core import look_up
from ft_course.core.display import marked_up
from ft_course.widgets.accessibility import FULL


@dataclass(frozen=True)
class Control:
    "How a setting is varied: a kind, its limits or options, and why one would."
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
        "Without it the first steps are the largest, when the optimizer knows least")),
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
        "the head may learn faster than the rest, above all one that starts at random")),
    "r": Control("rank", "choice", options=(1, 2, 4, 8, 16, 32, 64), why=(
        "of each update: how many directions it can move a layer in. More: more numbers that train, a larger file")),
    "lora_alpha": Control("alpha", "choice", options=(1, 2, 4, 8, 16, 32, 64, 128, 256), why=(
        "the update counts alpha / rank times. Larger: as if the rate were higher")),
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
    return metadata["control"] if "control" in metadata else CONTROLS.get(name) or made_up(name, default)


def made_up(name: str, default) -> Control:
    "A control for a setting of which only the default is known. Raises `ValueError` where its type has none."
    if isinstance(default, bool): return Control(name, "choice", options=(False, True))
    if isinstance(default, int): return Control(name, "int", min(1, default), max(4*default, 4))
    if isinstance(default, float) and default > 0: return Control(name, "log", default/100, default*100)
    raise ValueError(f"{name}={default!r} has no control; leave it out of `controls`, or give its field "
                     "metadata={'control': Control(...)}")


def _stops(control: Control, value) -> list:
    "Where the control's slider stops, `value` among them: round numbers, so that a default is hit exactly."
    if control.kind == "choice":
        options = [*control.options, *([value] if value not in control.options else [])]
        return options if any(not isinstance(v, (int, float)) for v in options) else sorted(options)
    low, high = control.low, control.high
    if control.kind == "float": between = [round(low + .05*i, 10) for i in range(math.ceil((high - low)/.05))]
    else:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
        between = [v for k in powers for m in (1, 1.5, 2, 3, 5, 7) if low < (v := float(f"{m}e{k}")) < high]
    return sorted({*map(float, (*between, low, high, value))})


def _label(value) -> str:
    "A value as the slider shows it."
    if isinstance(value, bool): return str(value)
    if isinstance(value, int): return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _labelled(stops) -> list: return [(_label(v), v) for v in stops]


def _slider(control: Control, value):
    "The ipywidget of a control."
    style = {"description": control.label, "style": {"description_width": "7.5em"},
             "layout": {"width": "25em", "max_width": FULL}}
    if control.kind == "int":
        low, high = min(control.low, value), max(control.high, value)
        return ipw.IntSlider(value=value, min=low, max=high, **style)
    if control.kind == "choice" and all(isinstance(v, str) for v in control.options):   # a slider cuts long names off
        return ipw.Dropdown(value=value, options=_labelled(control.options), **style)
    return ipw.SelectionSlider(value=value, options=_labelled(_stops(control, value)), **style)


def _fitting(name: str, control: Control, slider, value):
    "The value as this slider takes it. Raises `ValueError` for one that it does not have."
    stops = range(slider.min, slider.max + 1) if control.kind == "int" else [v for _, v in slider.options]
    if control.kind in ("int", "choice"):
        if value not in stops: raise ValueError(f"{name}={value!r}: this control has {', '.join(map(str, stops))}")
        return stops[stops.index(value)]
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not stops[0] <= value <= stops[-1]:
        raise ValueError(f"{name}={value!r}: this control goes from {stops[0]:g} to {stops[-1]:g}")
    return float(value)


def _move(slider, value):
    "Moves the slider; a value between its stops becomes one of them."
    if hasattr(slider, "options") and value not in (stops := [v for _, v in slider.options]):
        slider.options = _labelled(sorted([*stops, value]))
    slider.value = value


class Controls(ipw.VBox):
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
        self.add_class("ft-controls")
        self.on_change(self._explain)
        self._explain()

    def _explain(self):
        for name, reason in self.reasons.items():
            default = self.defaults[name]
            mark = f"default {html.escape(_label(default))}"
            if self.sliders[name].value != default: mark = f"<strong>changed</strong>, {mark}"
            reason.value = ("<span style='font-size:.9em;line-height:1.3;display:block'>"
                            f"{mark} · {marked_up(self.controls[name].why)}</span>")

    @property
    def values(self) -> dict:
        "The settings as the sliders have them."
        return {name: slider.value for name, slider in self.sliders.items()}

    def set(self, **settings):
        "Moves sliders, all of them or none. Raises `ValueError` for what there is not, or beyond its limits."
        for name in settings: look_up(name, self.sliders, "this panel has no control")
        fitting = {n: _fitting(n, self.controls[n], self.sliders[n], value) for n, value in settings.items()}
        for name, value in fitting.items(): _move(self.sliders[name], value)

    def on_change(self, action):
        "Calls `action()` whenever a slider was moved."
        for slider in self.sliders.values(): slider.observe(lambda _: action(), "value")
