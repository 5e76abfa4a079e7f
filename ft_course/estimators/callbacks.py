"What hangs on a training run: checkpoints and exact resume, signals, a guard against divergence."
import math, re, signal, sys, threading, warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ft_course.core import CourseError, atomic_path
from ft_course.core.seeds import random_states, set_random_states
from ft_course.training import Callback

_SIGNALLED = "stopped by "   # begins the reason when it was a signal; a checkpoint does not keep it, for the run shall go on

def _plain(value):
    "`value` with NumPy's numbers as Python's, inside lists, tuples and dicts as well."
    if isinstance(value, np.generic): return value.item()
    if isinstance(value, dict): return {k: _plain(v) for k, v in value.items()}
    return type(value)(map(_plain, value)) if isinstance(value, (list, tuple)) else value

def _names(hooks) -> list[str]:
    "A name for each callback: its class, and a number where there are several of one class."
    kinds = [type(hook).__name__ for hook in hooks]
    return [f"{kind}:{kinds[:i].count(kind)}" for i, kind in enumerate(kinds)]

def _about(run) -> dict:
    "What makes it this run, its callbacks that keep a state among it: with others it would end elsewhere."
    kept = [hook for hook in run.hooks if type(hook).state_dict is not Callback.state_dict]
    said = sorted(re.sub(r" at 0x\w+", "", repr(hook)) for hook in kept)   # an address is another in every process
    return _plain(run.about) | {"callbacks": ", ".join(said) or "none"}

@dataclass
class Checkpoint(Callback):
    """Keeps the run's state in `folder`/checkpoint.pt, every `every` steps, and at its end without the optimiser's two thirds;
    a `fit` of the same estimator on the same rows, with the same callbacks of those that keep a state
    (`EarlyStopping`, `KeepLastGood`), goes on from there. Raises `CourseError` for a checkpoint of something else."""
    folder: str
    every: int = 100   # steps between two checkpoints
    _saved = 0         # the step of the last one

    def __post_init__(self):
        if self.every < 1: raise ValueError(f"Checkpoint(every={self.every}): every has to be 1 step or more")

    @property
    def file(self) -> Path: return Path(self.folder).expanduser()/"checkpoint.pt"

    def on_train_begin(self, run):
        self._saved = 0
        for left_over in self.file.parent.glob(f".{self.file.name}.*.tmp"):
            left_over.unlink(missing_ok=True)

    def on_restore(self, run):
        if not self.file.is_file(): return
        try:
            state = torch.load(self.file, map_location="cpu", weights_only=True)
            about = state["about"]
        except Exception as err:
            raise CourseError(f"{self.file} cannot be read as a checkpoint ({type(err).__name__}); "
                              "delete it to train from the start.") from err
        self._compare(about, _about(run))
        run.model.load_state_dict(state["model"])
        for name in ("optimizer", "scheduler"):   # a finished run has kept neither
            if name in state: getattr(run, name).load_state_dict(state[name])
        run.step, run.epoch, run.history, run.evaluations = (
            state[k] for k in ("step", "epoch", "history", "evaluations"))
        run.stop, self._saved = run.stop or state["stop"], run.step
        for hook, name in zip(run.hooks, _names(run.hooks)):
            if state["hooks"].get(name): hook.load_state_dict(state["hooks"][name])
        set_random_states(state["random"])

    def _compare(self, saved: dict, now: dict):
        if saved == now: return
        what = next(k for k in now if saved.get(k) != now[k])
        said = {"rows": "of a run on other rows", "n_rows": "of a run on other rows",
                "weights": "of a run that began with other weights"}.get(
            what, f"of a run with other {what} ({saved.get(what)}, now {now[what]})")
        raise CourseError(f"{self.file} is {said}: it cannot be continued here. "
                          "Give Checkpoint another folder, or delete this one to train from the start.")

    def save(self, run):
        "Writes the run's state, whole or not at all."
        hooks = {name: hook.state_dict() for hook, name in zip(run.hooks, _names(run.hooks))}
        kept = {"about": _about(run), "step": run.step, "epoch": run.epoch, "history": run.history,
                "evaluations": run.evaluations, "hooks": hooks, "random": random_states(),
                "stop": "" if run.stop.startswith(_SIGNALLED) else run.stop}
        over = run.step == run.n_steps or kept["stop"]   # then only the weights are asked for
        states = {name: getattr(run, name).state_dict() for name in ("model", *(() if over else ("optimizer", "scheduler")))}
        with atomic_path(self.file) as tmp, open(tmp, "wb") as file: torch.save(_plain(kept | states), file)
        self._saved = run.step

    def on_step_end(self, run):
        if run.step % self.every == 0 or run.step == run.n_steps or run.stop: self.save(run)

    def on_train_end(self, run):
        # a reason to stop may have come after this callback's turn; in the middle of a step there is nothing to save
        if run.stop and not run.failed and self._saved != run.step: self.save(run)

@dataclass
class StopOnSignal(Callback):
    """SIGINT and SIGTERM end the run after the current step (a `Checkpoint` then saves) and are raised afterwards,
    as `KeyboardInterrupt` and `SystemExit`. The handlers that were there before are put back."""
    _before = {}

    def on_train_begin(self, run):
        self._before = {}
        # only the main thread may set handlers
        if threading.current_thread() is not threading.main_thread(): return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, lambda number, frame: self._stop(run, number))

    def _stop(self, run, number):
        run.stop = run.stop or _SIGNALLED + signal.Signals(number).name
        run.interrupt = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
        self._restore()

    def _restore(self):
        for number, handler in self._before.items(): signal.signal(number, handler)
        self._before = {}

    def on_train_end(self, run):
        self._restore()
        if not run.interrupt: return
        resume = [f"; fit again with Checkpoint({str(hook.folder)!r}) to go on"
                  for hook in run.hooks if isinstance(hook, Checkpoint)][:1]
        said = f"{run.stop} after step {run.step} of {run.n_steps}{''.join(resume)}"
        if isinstance(run.interrupt, KeyboardInterrupt): run.interrupt.args = (said,)
        else: print(said, file=sys.stderr, flush=True)

@dataclass
class KeepLastGood(Callback):
    """When loss or gradient stop being numbers, puts back the weights of the last good step that was kept
    and ends the run there with a warning. A step counts as good while the mean loss of its last steps
    is below `worse` times the best such mean."""
    every: int = 20      # steps between two copies, and over which losses are averaged
    worse: float = 2.

    def __post_init__(self):
        if self.every < 1: raise ValueError(f"KeepLastGood(every={self.every}): every has to be 1 step or more")

    def on_train_begin(self, run):
        self._best, self._step, self._weights = math.inf, run.step, self._copy(run)

    def _copy(self, run):
        return {name: p.detach().clone() for name, p in run.model.named_parameters() if p.requires_grad}

    def on_step_end(self, run):
        if run.step % self.every: return
        mean = float(np.mean([s["loss"] for s in run.history[-self.every:]]))
        if mean <= self.worse*self._best: self._step, self._weights = run.step, self._copy(run)
        self._best = min(self._best, mean)

    def on_divergence(self, run):
        run.model.load_state_dict(self._weights, strict=False)
        run.stop = (f"the loss stopped being a number at step {min(run.step + 1, run.n_steps)} of {run.n_steps}; "
                    f"the weights of step {self._step} are back. "
                    f"Lower the learning rate {run.hparams.learning_rate:g}")
        warnings.warn(run.stop, stacklevel=2)

    def on_train_end(self, run): self._weights = {}
    def state_dict(self): return {"best": self._best, "step": self._step, "weights": self._weights}

    def load_state_dict(self, state):
        self._best, self._step, self._weights = (state[k] for k in ("best", "step", "weights"))
