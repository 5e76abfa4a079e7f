"A panel that trains while you watch: controls, expected cost, Run, Stop and Reset, live curves, a table of the runs."
import contextlib
import html
import time

import ipywidgets as ipw

from ft_course.classroom.progress import keep, recall
from ft_course.core import CourseError
from ft_course.core.display import marked_up
from ft_course.estimators import FineTunedClassifier, FineTunedGenerator
from ft_course.training import HParams, Method
from ft_course.widgets.accessibility import Panel, Status, named
from ft_course.widgets.controls import Controls
from ft_course.widgets.cost import Cost, Forecast, sketch
from ft_course.widgets.curves import loss_curves
from ft_course.widgets.jobs import Job, Watch, final_score
from ft_course.widgets.run_table import RunTable
from ft_course.widgets.runs import Runs, run_record
from ft_course.widgets.settings import Settings


class View(ipw.VBox):
    "What is seen of a panel: controls, expected cost, buttons, status, curves, the runs so far."
    def __init__(self, title: str, about: str, controls: Controls):
        self.cost, self.status, self.curves, self.table = Status(), Status(), ipw.HTML(), RunTable()
        mine = {"run": ipw.Button(description="Run", tooltip="train with these settings", button_style="primary"),
                "stop": ipw.Button(description="Stop", tooltip="end the run, keep the model"),
                "reset": ipw.Button(description="Reset", tooltip="all settings to their defaults")}
        self.buttons = mine | self.table.buttons
        head = ipw.HTML(f"<p><strong>{html.escape(title)}</strong>: {html.escape(about)}</p>")
        super().__init__([head, controls, self.cost, ipw.HBox([*mine.values()]), self.status, self.curves,
                          self.table, named()])

    def say(self, text: str): self.status.say(text, marked_up(text))

    def on_press(self, name: str, action):
        "Calls `action` when the button is pressed; what goes wrong becomes a sentence."
        def guarded(_):
            try: action()
            except (ValueError, CourseError) as err: self.say(str(err))
        self.buttons[name].on_click(guarded)


class Experiment(Panel):
    "Controls, expected cost, Run, Stop and Reset, live curves, and a table of the runs; made by `experiment`."
    model = None    # of the last run
    _job = None     # this session's last run
    _drawn_at = 0.
    def __init__(self, task, settings: Settings, old_task: bool, name: str):
        self.task, self.old_task, self.name, self._settings = task, old_task, name, settings
        self.controls = Controls(settings.controls, settings.defaults)
        self.forecast, self.kept = Forecast(task), Runs(name)
        rows = settings.most if "rows" in settings.controls else settings.rows
        about = (f"{type(settings.estimator.method).__name__} on {settings.estimator.model}, {rows:,} training rows, "
                 f"{len(task.data['validation']):,} validation rows")
        self.view = View(task.name, about, self.controls)
        self._resume()
        self.controls.on_change(self._show_cost)
        self._show_cost()
        for what in self.view.buttons: self.view.on_press(what, getattr(self, what))
        self._show()

    def _resume(self):
        "Settings as they were before a restart; those that no longer fit keep their defaults."
        before = recall("panels", self.name).get("settings")
        for name, value in before.items() if isinstance(before, dict) else ():
            with contextlib.suppress(ValueError, TypeError): self.controls.set(**{name: value})
        if self.kept.left_out:
            self._say(f"{', '.join(self.kept.left_out)} in {self.kept.folder} cannot be read as a run, "
                      "and is left out.")

    @property
    def settings(self) -> dict:
        "The settings as the controls have them."
        return self.controls.values

    @property
    def training(self) -> bool:
        "Is a run of this panel going on?"
        return self._job is not None and self._job.alive

    @property
    def runs(self):
        """The runs so far, a DataFrame, one row a run: what was changed, last and lowest validation loss,
        score with its interval over validation items, seconds, how it ended."""
        return self.kept.frame

    def set(self, **settings) -> "Experiment":
        """Sets controls: `panel.set(learning_rate=1e-3)`.
        Raises `ValueError` for what there is not, or beyond its limits."""
        self.controls.set(**settings)
        return self

    def reset(self) -> "Experiment":
        "All settings to their defaults."
        return self.set(**self.controls.defaults)

    def unfitted(self):
        "The estimator that Run would train, with the settings of the controls."
        return self._settings.unfitted(self.settings, self.old_task)

    def data(self):
        "The task as Run would train and score it."
        return self.task.take(train=self._settings.rows_of(self.settings))

    def expected(self) -> Cost:
        "What a run with these settings is expected to take here; corrected by the runs of this session."
        return self.forecast(self.unfitted(), self._settings.rows_of(self.settings))

    def run(self, wait: bool = False) -> "Experiment":
        "Starts a run with the present settings; with `wait=True`, returns when it has ended."
        if self.training: return self._say("A run is going on: wait for it, or press Stop.")
        expected = None
        try:
            with contextlib.suppress(CourseError): expected = self.expected().seconds
            job = Job(self.unfitted(), self.data(), self._news, self._done, self.settings, expected)
        except (ValueError, CourseError) as err: return self._say(str(err))
        before, self._job = self._job, job
        self._say("Loading the model…")
        if not job.start():
            self._job = before
            return self._say("Another panel is training; two runs would fight for the cores. "
                             "Wait, or press Stop, which ends that run.")
        with contextlib.suppress(CourseError): keep("panels", self.name, settings=job.settings)
        if not wait: return self
        try: return self.wait()
        except KeyboardInterrupt:   # whoever interrupts the cell wants the run to end
            self.stop()
            raise

    def stop(self) -> "Experiment":
        "Ends the run; the model is kept as its last step left it."
        mine = self.training
        job = self._job if mine else Job.latest   # the panel of a run may be gone: its cell was run again
        if not job or not job.alive: return self._say("Nothing is running: press Run first.")
        if job.watch.ended: return self._say("The training has ended; its model is being scored.")
        job.watch.stopping = True
        if not mine: return self._say("Stopping the other panel's run…")
        return self._say("Stopping…" if job.watch.n_steps or job.watch.waiting else "Stopping, as soon as the model is loaded…")

    def wait(self, seconds: float = None) -> "Experiment":
        "Returns when the run has ended, or after so many seconds."
        if self._job: self._job.thread.join(seconds)
        return self

    def pin(self, run: int = None) -> "Experiment":
        "Keeps the run's curve in the picture, or takes it out again."
        record = self._find(run)
        record["pinned"] = record.get("pinned") is not True
        try: self.kept.save(record)
        finally: self._show()
        return self

    def use(self, run: int = None) -> "Experiment":
        "Sets the controls to the run's settings."
        settings = self._find(run)["settings"]
        return self.set(**{name: value for name, value in settings.items() if name in self.controls.sliders})

    def _find(self, run: int | None) -> dict: return self.kept.find(self.view.table.chosen if run is None else run)

    def _say(self, text: str) -> "Experiment":
        self.view.say(text)
        return self

    def _show_cost(self):
        try: said = f"Expected: {self.expected()}."
        except (ValueError, CourseError) as err: said = str(err)
        self.view.cost.say(said)

    def _show(self):
        self.view.table.show(self.kept)
        self._draw()

    def _draw(self):
        "This session's run, or else the last one kept."
        live = self._job is not None and self._job.watch.losses
        if not live and not self.kept.records: return
        run = self._job.watch.drawn if live else self.kept.records[-1]
        self.view.curves.value = loss_curves(run, self.kept.pinned, self.old_task)

    def _news(self, watch: Watch):
        if not watch.losses and not watch.stopping: self._say(watch.waiting or f"Training: {watch.n_steps} steps.")
        if not watch.losses or time.perf_counter() - self._drawn_at < .7: return
        self._drawn_at = time.perf_counter()
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

    def _keep_run(self, job: Job) -> str:
        "Scores the job's model and keeps the run; what is to be said of it."
        if not job.watch.losses: return "Stopped before the first step: there is nothing to keep."
        finished, problem = job.ended == "finished", ""
        self.model = job.estimator.set_params(callbacks=())
        if finished and job.expected: self.forecast.factor *= job.seconds/job.expected
        self._say("Scoring…" if finished
                  else f"Ended after step {job.steps} ({job.ended}); the model is kept. Scoring it…")
        record = run_record(job, self._settings.changed(job.settings), final_score(self.model, job.task))
        try: self.kept.add(record)
        except CourseError as err: problem = f" {err}"
        how = f" finished after {job.seconds:.0f} s" if finished else f": {job.ended} after step {job.steps}"
        return f"Run {record['run']}{how}. Its model is `panel.model`: it predicts and saves.{problem}"

    def __repr__(self):
        said = ", ".join(f"{k}={v}" for k, v in self.settings.items())
        return f"Experiment on {self.task.name} ({said}); {len(self.kept.records)} runs"


def _failure(err: BaseException) -> str:
    "What ended a run, in a sentence."
    if isinstance(err, (ValueError, CourseError)): return str(err)
    return f"The run failed ({type(err).__name__}: {err})."


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
    _check_parts(task, estimator, method, hparams)
    chosen = {k: v for k, v in {"method": method, "hparams": hparams}.items() if v is not None}
    estimator = clone(estimator).set_params(**chosen)
    _check_trains(estimator)
    controls = (controls,) if isinstance(controls, str) else tuple(dict.fromkeys(controls))
    if validation_rows: task = task.take(validation=validation_rows)
    name = str(name or task.name.replace("/", "-"))
    return Experiment(task, Settings(estimator, task, controls, rows), old_task, name)


def _check_parts(task, estimator, method, hparams):
    "Raises `ValueError` for what an experiment cannot be made of."
    if not isinstance(estimator, (FineTunedClassifier, FineTunedGenerator)):
        given = getattr(estimator, "__name__", type(estimator).__name__)
        raise ValueError(f"{given} has no training that a panel could run; "
                         "give experiment a FineTunedClassifier() or a FineTunedGenerator()")
    for what, given in (("method", method), ("hparams", hparams)):
        if isinstance(given, type): raise ValueError(f"{what}={given.__name__} is a class; write {given.__name__}()")
    for split, why in (("train", "learns from them"), ("validation", "draws its curves from them")):
        if split not in task.data or not len(task.data[split]):
            raise ValueError(f"the task {task.name!r} has no {split} rows, and a panel {why}; "
                             "load it with load_task, which makes both")


def _check_trains(estimator):
    try: network = sketch(estimator)
    except (ValueError, CourseError): raise
    except Exception: return   # a method that cannot be sketched says itself, when it runs, what is wrong
    if not any(p.requires_grad for p in network.parameters()):
        raise ValueError(f"{estimator.method} leaves nothing of {estimator.model} to train; "
                         "choose a method that does, such as Full()")
