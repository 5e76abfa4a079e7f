"What both estimators are: one fit, one save, one load."
import contextlib
import json
import numbers
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ft_course.core import CourseError, atomic_path, look_up
from ft_course.estimators.peft import Peft, as_method
from ft_course.models import best_device, context_length, load_tokenizer, model_identity, quiet_transformers
from ft_course.training import Callback, Full, HParams, Method, Validation, epochs_of, train

FORMAT, ABOUT = 2, "ft_course.json"
NOT_KEPT = ("model", "method", "hparams", "callbacks", "objective", "device")   # in a file they stand elsewhere, or nowhere
PART = 1000   # rows that are tokenised at once: all in one call would leave a large heap behind


class _Adopt(Callback):
    "Gives the estimator the model that the method made of its own."
    def __init__(self, estimator): self.estimator = estimator
    def on_train_begin(self, run): self.estimator.model_ = run.model


class FineTuned(BaseEstimator):
    """A pretrained model trained by a method (what trains) on an objective (what is minimised). Those that inherit
    say how the model is loaded (`_network`), what it is scored by (`scores`), and what else is kept (`_kept`)."""

    def set_params(self, **params) -> "FineTuned":
        "Also single settings: `set_params(hparams__learning_rate=1e-3, method__k=2)`, as a grid search wants them."
        inside = {name: params.pop(name) for name in [*params] if "__" in name}
        super().set_params(**params)
        for name, value in inside.items():
            whole, _, part = name.partition("__")
            known = [f.name for f in fields(getattr(self, whole))] if is_dataclass(getattr(self, whole, None)) else []
            setattr(self, whole, replace(getattr(self, whole), **{look_up(part, known, f"{name}: there is no setting"): value}))
        return self

    def _seed(self) -> int:
        if isinstance(self.random_state, numbers.Integral): return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _fit(self, tokenizer, model, rows_of, columns, seed: int, validation=None):
        "Trains `model` on the rows that `rows_of(*columns)` makes."
        longest = context_length(model.config)
        if longest and self.hparams.max_length > longest:
            raise ValueError(f"max_length={self.hparams.max_length} is more than the {longest} tokens "
                             f"that {self.model} can read; set HParams(max_length={longest}) or less")
        device, self.tokenizer_, self.model_, self.adapter_ = best_device(self.device), tokenizer, model, None
        model.config.pad_token_id = tokenizer.pad_token_id
        rows = [row for start in range(0, len(columns[0]), PART)
                for row in rows_of(*(column[start:start + PART] for column in columns))]
        self._start(model, rows, columns, seed, device)
        hooks = [_Adopt(self), *([Validation(lambda: self.scores(*validation))] if validation else []), *self.callbacks]
        epochs = epochs_of(self.hparams, len(rows), len(self.classes_) if is_classifier(self) else 1)
        hparams = replace(self.hparams, num_train_epochs=epochs)
        run = train(model, rows, hparams, as_method(self.method), self.objective, tokenizer.pad_token_id, seed, hooks,
                    device)
        self.adapter_ = getattr(self.model_, "active_adapter", None)
        self.kept_ = self._size()
        self.history_ = {"steps": run.history, "epochs": run.evaluations, "stopped": run.stop}
        return self

    def _size(self) -> dict:
        "What a record keeps: `trainable`, how many numbers trained, and `file_mb`, the size of the weights that `save` writes."
        parameters = [*self.model_.parameters()]
        trained = [p for p in parameters if p.requires_grad]
        kept = parameters if as_method(self.method).whole else trained
        return {"trainable": sum(p.numel() for p in trained), "file_mb": round(sum(p.nbytes for p in kept)/1e6, 3)}

    def _start(self, model, rows, columns, seed, device): "What is done to the model before it trains."

    def ready(self):
        "The fitted model, in `eval` mode, this estimator's adapter switched on."
        check_is_fitted(self, "model_")
        if getattr(self, "adapter_", None) is not None and self.model_.active_adapter != self.adapter_:
            self.model_.set_adapter(self.adapter_)
        return self.model_.eval()

    def token_ids(self, texts) -> list[list[int]]:
        "The tokens that the fitted model reads of each text; of a generator with the prompt around it."
        return [row["input_ids"] for row in self._rows(self.tokenizer_, texts)]

    def save(self,
        folder,
        merged: bool = False,   # an adapter folded into its base: a plain model
    ):
        """Writes a folder, whole or not at all, and returns the estimator. `Full` and methods that train a part of the
        model write a model that transformers opens, peft's methods an adapter with its head that peft opens.
        Raises `ValueError` for a folder with other files, `CourseError` when there is no room."""
        model, method = self.ready(), as_method(self.method)
        whole = merged or method.whole
        kept = method if method.whole or not merged else Full()   # folded in, it is a model like any other
        about = {"model": str(self.model), "whole": whole,
                 "base": None if whole else model_identity(self.model), "hparams": asdict(self.hparams),
                 "method": {"class": type(kept).__name__, **kept.settings()}} | self._kept()
        with new_folder(folder, self, about) as tmp, quiet_transformers():
            if whole: method.merged(model).save_pretrained(tmp)
            else: method.save(model, tmp)
            self.tokenizer_.model_max_length = self.hparams.max_length
            self.tokenizer_.save_pretrained(tmp)
        return self

    @classmethod
    def load(cls,
        folder,
        base=None,   # a fitted or loaded estimator whose model this adapter is put beside
        device: str | None = None,   # the fastest there is; with base, that of the base
    ):
        """The estimator that `save` wrote, ready to predict; with `base` both share one model, and each switches its
        adapter on. Raises `ValueError` for any other folder, or another base."""
        folder, about = read_folder(folder, cls)
        method, there = _method_of(about["method"], folder), best_device(device)
        self = cls(about["model"], method=method, hparams=HParams(**about["hparams"]), device=device, **settings_of(cls, about))
        self.tokenizer_, self.adapter_ = load_tokenizer(folder), None
        self._restore(about)
        if about["whole"]:
            if base is not None: raise ValueError(f"{folder} holds a whole model, and base is for adapters; load it without")
            self.model_ = self._network(folder).to(there)
            return self
        if base is None:
            network = self._network(about["model"])
            network.config.pad_token_id = self.tokenizer_.pad_token_id
            self.model_ = method.attach(network, folder).to(there).eval()
        else: self.model_ = _beside(base, self, method, folder)
        self.adapter_ = getattr(self.model_, "active_adapter", None)
        return self

    def _kept(self) -> dict: return settings_kept(self)
    def _restore(self, about: dict): pass


def _beside(base, estimator, method, folder):
    "The base's model with one more adapter."
    check_is_fitted(base, "model_")
    if not isinstance(method, Peft) or getattr(base, "adapter_", None) is None:
        raise ValueError("base has to be an estimator with an adapter of peft's, and the folder has to hold another one")
    if type(base) is not type(estimator) or model_identity(base.model) != model_identity(estimator.model):
        raise ValueError(f"base is a {type(base).__name__} of {base.model}, and {folder} holds an adapter for a "
                         f"{type(estimator).__name__} of {estimator.model}")
    return method.attach(base.model_, folder)


def settings_kept(estimator) -> dict:
    "The constructor's arguments for a file, a dict as its pairs: JSON would make strings of its keys."
    return {n: [*v.items()] if isinstance(v, dict) else v for n, v in estimator.get_params(deep=False).items()
            if n not in NOT_KEPT}


def settings_of(cls, about: dict) -> dict:
    "The constructor's arguments that a file has kept."
    return {n: dict(about[n]) if n == "class_weight" and isinstance(about[n], list) else about[n]
            for n in cls._get_param_names() if n in about and n not in NOT_KEPT}


@contextlib.contextmanager
def new_folder(folder, estimator, about: dict):
    """A folder to fill, which takes the place of `folder` when the block has ended well, with `about` in it.
    Raises `ValueError` for a folder with other files, `CourseError` when there is no room."""
    folder = Path(folder).expanduser()
    others = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    if others and (ABOUT not in others or "checkpoint.pt" in others):
        raise ValueError(f"{folder} holds other files ({others[0]}, ...), and saving replaces a folder as a whole; "
                         "give the model a folder of its own")
    with atomic_path(folder) as tmp:
        tmp.mkdir()
        yield tmp
        about = {"format": FORMAT, "estimator": type(estimator).__name__} | about
        (tmp/ABOUT).write_text(json.dumps(about, indent=1, default=_plain), encoding="utf-8")


def _plain(value):
    "NumPy's numbers as Python's, sets as lists; what JSON has no form for (a random generator) as None."
    if isinstance(value, (set, frozenset)): return sorted(value)
    return value.item() if isinstance(value, np.generic) else str(value) if isinstance(value, Path) else None


def _subclasses(cls) -> dict[str, type]:
    return {c.__name__: c for sub in cls.__subclasses__() for c in (sub, *_subclasses(sub).values())}


def _method_of(kept: dict, folder) -> Method:
    name, known = kept["class"], _subclasses(Method)
    if name not in known:
        raise ValueError(f"{folder} was trained by the method {name}, which is not known here; "
                         "import the module that defines it, then load again")
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in kept.items() if k != "class"}
    return known[name].from_settings(fields, folder)


def read_folder(folder, cls) -> tuple[Path, dict]:
    """The folder and what it says about the estimator in it. Raises `ValueError` for one that holds no such estimator, or one
    trained on other weights than its base has here."""
    folder = Path(folder).expanduser()
    file = folder/ABOUT
    if not folder.is_dir(): raise ValueError(f"there is no folder {folder}; give one that {cls.__name__}.save made")
    if not file.is_file():
        raise ValueError(f"{folder} has no {ABOUT}, so {cls.__name__}.save did not make it; "
                         "give a folder that it made, or load this one with transformers")
    about = json.loads(file.read_text(encoding="utf-8"))
    if about.get("estimator") != cls.__name__:
        raise ValueError(f"{folder} holds a {about.get('estimator')}, not a {cls.__name__}; "
                         f"load it with {about.get('estimator')}.load")
    if about.get("format") != FORMAT:
        raise ValueError(f"{folder} was saved in format {about.get('format')} and this version reads "
                         f"format {FORMAT}; load it with the version of ft_course that saved it")
    if about.get("whole"): return folder, about
    try: base = model_identity(about["model"])
    except (ValueError, CourseError) as err:
        raise ValueError(f"{folder} holds what was trained on {about['model']}, which is not here any more ({err})") from err
    if about["base"] != base:
        raise ValueError(f"{folder} was trained on other weights than {about['model']} has here; "
                         "give it the model it was trained on")
    return folder, about
