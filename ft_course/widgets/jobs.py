"A training run in a thread of its own, watched and stopped from outside."
import threading
import time

from ft_course.core import one_at_a_time
from ft_course.estimators import FineTunedClassifier
from ft_course.training import Callback, StopTraining, Validation, layer_stack

_running = threading.Lock()   # held while any panel trains


class Watch(Callback):
    "Notes a run's losses and scores; `stopping = True` ends it at the next layer, in training or in scoring."
    def __init__(
        self,
        tell=lambda watch: None,   # called when the run begins and after every step
    ):
        self.tell, self.stopping, self.ended, self.waiting = tell, False, False, ""   # the last: for whom, in a sentence
        self.losses = []        # a step's
        self.points = []        # `step`, `validation_loss`
        self.evaluations = []   # an epoch's
        self.n_steps, self.score, self.score_at, self._hooks = 0, None, set(), []
    def __repr__(self): return "Watch()"
    def __deepcopy__(self, memo): return self

    def on_train_begin(self, run):
        self.n_steps, self.evaluations, self.began = run.n_steps, run.evaluations, time.perf_counter()
        self.score = next((hook.score for hook in run.hooks if isinstance(hook, Validation)), None)
        self.score_at = {round(run.n_steps*i/8) for i in range(1, 8)} - {0, run.n_steps}
        reading = (run.model.get_input_embeddings(), *layer_stack(run.model)[1])   # what every text goes through
        self._hooks = [module.register_forward_pre_hook(self._end) for module in reading]
        self.tell(self)
        if self.score: self._point(run)

    def wait(self, said: str):
        "Another training has its turn."
        if not self.waiting:
            self.waiting = said
            self.tell(self)
        self._end()

    def _end(self, *module_and_input):
        if self.stopping: raise StopTraining("stopped by you")

    def _point(self, run):
        run.model.eval()
        self.points.append({"step": run.step} | self.score())

    def on_epoch_end(self, run):
        last = run.evaluations[-1] if run.evaluations else {}
        if "validation_loss" in last:
            self.points.append({k: v for k, v in last.items() if k == "step" or k.startswith("validation")})

    def on_step_end(self, run):
        self.losses.append(run.history[-1]["loss"])
        scored = self.points and self.points[-1]["step"] == run.step
        if self.score and run.step in self.score_at and not scored: self._point(run)
        self.tell(self)
        self._end()

    def on_train_end(self, run):
        self.ended = True
        for hook in self._hooks: hook.remove()

    @property
    def drawn(self) -> dict:
        "What `loss_curves` draws: losses, one a step; points; what was known before, where it is measured; steps in all."
        old = [e for e in self.evaluations if "old_loss" in e]
        return {"losses": [*self.losses], "every": 1, "points": [*self.points], "old": old, "of": self.n_steps}

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
        self.thread.start()
        return True

    def _work(self):
        start = time.perf_counter()
        try:
            self.estimator.set_params(callbacks=(self.watch, *self.estimator.callbacks))
            with one_at_a_time(self.watch.wait):
                start, self.watch.waiting = time.perf_counter(), ""
                self.estimator.fit(*self.task.split("train"), validation=self.task.split("validation"))
            self.ended = self.estimator.history_["stopped"] or "finished"
        except StopTraining as reason: self.ended = str(reason)   # while it waited
        except BaseException as err: self.failed = err   # also a SystemExit: the panel has to say that it ended
        self.watch.ended, self.seconds = True, time.perf_counter() - start
        try: self.when_done(self)
        finally:
            if Job.latest is self: Job.latest = None   # it holds a model
            _running.release()

    @property
    def alive(self) -> bool: return self.thread.is_alive()

    @property
    def steps(self) -> str: return f"{len(self.watch.losses)} of {self.watch.n_steps}"


def final_score(estimator, task) -> dict:
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
