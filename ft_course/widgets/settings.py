"What of a run can be set, and the estimator that given values make."
import contextlib
from dataclasses import fields, is_dataclass, replace

from ft_course.core import look_up
from ft_course.training import EarlyStopping, LastLayers, epochs_of, layer_stack
from ft_course.widgets.controls import CONTROLS, Control, control_of, made_up
from ft_course.widgets.cost import own_dropout, sketch


OF_PEFT = ("r", "lora_alpha")   # what of one of peft's configs gets a control


def own_fields(thing) -> dict:   # name -> dataclass field; empty for what is no dataclass
    "The fields that a dataclass is made of."
    return {f.name: f for f in fields(thing) if f.init} if is_dataclass(thing) else {}


class Settings:
    "What of a run can be set: `controls` and `defaults` by name, and the estimator that given values make."
    def __init__(
        self,
        estimator,       # unfitted
        task,
        names: tuple,    # of the controls that are wanted; the method's own fields come along
        rows: int = None,  # training rows where they are not varied; all by default
    ):
        from sklearn.base import clone, is_classifier
        self.most = len(task.data["train"])
        self.rows = min(rows or self.most, self.most)
        labels = len(set(task.split("train")[1])) if is_classifier(estimator) else 1
        shown = replace(estimator.hparams, num_train_epochs=epochs_of(estimator.hparams, self.rows, labels))   # a number, to show
        self.estimator, self.task = (estimator := clone(estimator).set_params(hparams=shown)), task
        self.of_hparams = own_fields(estimator.hparams)
        self.of_method = own_fields(estimator.method)
        if hasattr(estimator.method, "peft_type"):   # peft has too many
            self.of_method = {n: f for n, f in self.of_method.items() if n in OF_PEFT}
        every = ({"dropout": own_dropout(estimator), "early_stopping": "off", "rows": self.rows}
                 | {n: getattr(estimator.hparams, n) for n in self.of_hparams}
                 | {n: getattr(estimator.method, n) for n in self.of_method})
        for name in names: look_up(name, every, "this run has no setting")
        self.controls = {name: self._control(name, every[name]) for name in names}
        for name in self.of_method:
            with contextlib.suppress(ValueError):   # a field without a control keeps its value
                if name not in self.controls: self.controls[name] = self._control(name, every[name])
        self.defaults = {name: every[name] for name in self.controls}

    def _control(self, name: str, default) -> Control:
        if name in self.of_method:
            if name == "k" and isinstance(self.estimator.method, LastLayers):
                return replace(CONTROLS["k"], high=len(layer_stack(sketch(self.estimator))[1]))
            if name == "k" and "control" not in self.of_method[name].metadata: return made_up(name, default)
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
        return {name: v for name, v in values.items() if v != self.defaults[name]}
