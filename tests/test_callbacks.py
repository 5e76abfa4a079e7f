"Runs that break off and go on, and what else hangs on a run."

import os
import signal
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest

from ft_course.estimators import Checkpoint, KeepLastGood, StopOnSignal
from ft_course.core import CourseError
from ft_course.estimators import FineTunedClassifier
from ft_course.training import Callback, EarlyStopping, Full, HParams, LastLayers

HPARAMS = HParams(learning_rate=1e-3, num_train_epochs=3, per_device_train_batch_size=8)   # 10 steps an epoch


class BreakAt(Callback):
    def __init__(self, step): self.step = step
    def on_step_end(self, run):
        if run.step == self.step: raise RuntimeError("broken off")


def model(tiny, *callbacks, hparams=HPARAMS, **settings): return FineTunedClassifier(tiny, Full(), hparams, callbacks=callbacks, **settings)


@pytest.fixture(scope="module")
def straight(tiny, messages): return model(tiny).fit(*messages)


def same(a, b, texts):
    np.testing.assert_array_equal(a.decision_function(texts), b.decision_function(texts))
    assert a.history_ == b.history_


@pytest.mark.parametrize("step", [4, 10, 23])
def test_resumed_equals_never_stopped(tiny, messages, straight, tmp_path, step):
    with pytest.raises(RuntimeError): model(tiny, Checkpoint(tmp_path, every=1), BreakAt(step)).fit(*messages)
    seen = []
    class Count(Callback):
        def on_step_end(self, run): seen.append(run.step)
    same(model(tiny, Checkpoint(tmp_path, every=7), Count()).fit(*messages), straight, messages[0])
    assert seen == list(range(step + 1, 31))


@pytest.mark.slow
def test_resume_keeps_early_stopping_and_its_best_weights(tiny, messages, tmp_path):
    long = HParams(learning_rate=3e-3, num_train_epochs=8, per_device_train_batch_size=8)
    validation = (messages[0][:20], messages[1][20:40])   # wrong labels: the loss soon rises
    whole = model(tiny, EarlyStopping(2), hparams=long).fit(*messages, validation=validation)
    assert whole.history_["stopped"] and len(whole.history_["epochs"]) < 8
    with pytest.raises(RuntimeError): model(tiny, EarlyStopping(2), Checkpoint(tmp_path, every=5), BreakAt(27), hparams=long).fit(*messages, validation=validation)
    same(model(tiny, EarlyStopping(2), Checkpoint(tmp_path, every=5), hparams=long).fit(*messages, validation=validation), whole, messages[0])
    same(model(tiny, EarlyStopping(2), Checkpoint(tmp_path, every=5), hparams=long).fit(*messages, validation=validation), whole, messages[0])   # finished: nothing more to do


SCRIPT = """
    import os, signal, sys
    import torch
    from ft_course.estimators import Checkpoint, StopOnSignal
    from ft_course.data import EXAMPLE_CSV, load_task
    from ft_course.estimators import FineTunedClassifier
    from ft_course.training import Callback, Full, HParams
    {setup}
    class At(Callback):
        def on_step_end(self, run):
            if run.step == 13: {at}
    before = signal.getsignal(signal.SIGTERM)
    FineTunedClassifier({tiny!r}, Full(), HParams(learning_rate=1e-3, num_train_epochs=3, per_device_train_batch_size=8),
                        callbacks=[Checkpoint({folder!r}, every=5), At(), StopOnSignal()]).fit(*load_task(EXAMPLE_CSV).split("train"))
    print("went on")
"""


def script(tiny, folder, setup="", at="pass"):
    code = textwrap.dedent(SCRIPT).format(tiny=tiny, folder=str(folder), setup=setup, at=at)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_after_sigterm_it_goes_on_where_it_was(tiny, messages, straight, tmp_path):
    run = script(tiny, tmp_path, at="os.kill(os.getpid(), signal.SIGTERM)")
    assert run.returncode == 128 + signal.SIGTERM and "went on" not in run.stdout
    assert "stopped by SIGTERM after step 13 of 30; fit again with Checkpoint(" in run.stderr and "Traceback" not in run.stderr
    same(model(tiny, Checkpoint(tmp_path)).fit(*messages), straight, messages[0])


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_kill_during_a_checkpoint_write_leaves_the_one_before(tiny, messages, straight, tmp_path):
    setup = textwrap.dedent("""
        whole, saves = torch.save, []
        def half(state, file):
            saves.append(state["step"])
            whole(state, file)
            if len(saves) == 3:
                file.flush()
                file.truncate(os.path.getsize(file.name)//2)
                os.kill(os.getpid(), signal.SIGKILL)
        torch.save = half
    """)
    run = script(tiny, tmp_path, setup=setup)
    assert run.returncode == -signal.SIGKILL and len(list(tmp_path.iterdir())) == 2   # the checkpoint of step 10 and half a file
    same(model(tiny, Checkpoint(tmp_path, every=50)).fit(*messages), straight, messages[0])
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_handlers_are_put_back(tiny, messages):
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(RuntimeError): model(tiny, StopOnSignal(), BreakAt(2)).fit(*messages)
    model(tiny, StopOnSignal()).fit(*messages)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def test_interrupt_finishes_the_step_and_saves(tiny, messages, straight, tmp_path):
    class Interrupt(Callback):   # after Checkpoint's turn
        def on_step_end(self, run):
            if run.step == 6: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="after step 6 of 30"): model(tiny, Checkpoint(tmp_path), Interrupt(), StopOnSignal()).fit(*messages)
    same(model(tiny, Checkpoint(tmp_path)).fit(*messages), straight, messages[0])


OTHER = {
    "rows": (lambda tiny, rows: (model(tiny), (rows[0][:-1], rows[1][:-1])), "other rows"),
    "a label": (lambda tiny, rows: (model(tiny), (rows[0], [*rows[1][1:], rows[1][0]])), "other rows"),
    "settings": (lambda tiny, rows: (model(tiny, hparams=HParams(learning_rate=2e-3, num_train_epochs=3, per_device_train_batch_size=8)), rows), "other hparams"),
    "method": (lambda tiny, rows: (model(tiny).set_params(method=LastLayers(1)), rows), "other method"),
    "seed": (lambda tiny, rows: (model(tiny, random_state=1), rows), "other weights"),
}


@pytest.mark.parametrize("what", OTHER)
def test_a_checkpoint_of_something_else_is_refused(tiny, messages, tmp_path, what):
    with pytest.raises(RuntimeError): model(tiny, Checkpoint(tmp_path, every=1), BreakAt(2)).fit(*messages)
    old = (tmp_path/"checkpoint.pt").read_bytes()
    change, says = OTHER[what]
    estimator, rows = change(tiny, messages)
    with pytest.raises(CourseError, match=says) as caught: estimator.set_params(callbacks=[Checkpoint(tmp_path)]).fit(*rows)
    assert "checkpoint.pt" in str(caught.value) and "\n" not in str(caught.value) and (tmp_path/"checkpoint.pt").read_bytes() == old


class Own(Callback):
    def state_dict(self): return {"n": 1}


HELD, ONCE = [EarlyStopping(1)], "EarlyStopping(patience=1, metric='validation_loss', threshold=0.0)"
CHANGED = {
    "patience": (HELD, [EarlyStopping(9)], f"other callbacks ({ONCE}, now EarlyStopping(patience=9,"),
    "metric": (HELD, [EarlyStopping(1, "validation_macro_f1")], "now EarlyStopping(patience=1, metric='validation_macro_f1'"),
    "taken out": (HELD, [], f"other callbacks ({ONCE}, now none)"),
    "added": ([], HELD, f"other callbacks (none, now {ONCE})"),
    "a guard": (HELD, [KeepLastGood(), *HELD], f"now {ONCE}, KeepLastGood(every=20"),
    "one's own": ([Own()], [], "Own object>, now none)"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_checkpoint_is_refused_when_callbacks_changed(tiny, messages, tmp_path, what):
    before, after, says = CHANGED[what]
    validation = (messages[0][:9], messages[1][:9])
    def fit(callbacks, *more): return model(tiny, *callbacks, Checkpoint(tmp_path, every=4), *more).fit(*messages, validation=validation)
    with pytest.raises(RuntimeError): fit(before, BreakAt(12))
    old = (tmp_path/"checkpoint.pt").read_bytes()
    with pytest.raises(CourseError) as caught: fit(after)
    assert says in str(caught.value) and "another folder" in str(caught.value) and "\n" not in str(caught.value)
    assert (tmp_path/"checkpoint.pt").read_bytes() == old
    class Stop(Callback):   # what keeps no state may change, and so may the order
        def on_step_end(self, run): run.stop = "enough"
    assert len(fit(before[::-1], Stop()).history_["steps"]) == 13


def test_a_run_that_was_stopped_early_does_not_go_on_with_more_patience(tiny, messages, tmp_path):
    hparams, validation = HParams(1e-2, 9, per_device_train_batch_size=8), (messages[0][:20], messages[1][20:40])
    def fit(patience): return model(tiny, EarlyStopping(patience), Checkpoint(tmp_path), hparams=hparams).fit(*messages, validation=validation)
    assert "was best after" in fit(1).history_["stopped"]
    with pytest.raises(CourseError, match=r"other callbacks \(EarlyStopping\(patience=1.*now EarlyStopping\(patience=3"): fit(3)


def test_a_damaged_checkpoint_is_one_sentence(tiny, messages, tmp_path):
    (tmp_path/"checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(CourseError, match="cannot be read as a checkpoint"): model(tiny, Checkpoint(tmp_path)).fit(*messages)


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_full_disk_while_writing_a_checkpoint(tiny, messages, tmp_path):
    run = script(tiny, tmp_path, setup="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))")
    assert "CourseError: Could not write" in run.stderr and list(tmp_path.iterdir()) == [], run.stderr[:3000]


def test_divergence_keeps_the_last_good_weights(tiny, messages):
    class Wild(Callback):
        def on_step_end(self, run):
            if run.step == 12:
                self.good = {n: p.detach().clone() for n, p in run.model.named_parameters()}
            if run.step >= 13:
                for group in run.optimizer.param_groups: group["lr"] = 1e30
    wild = Wild()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        rescued = FineTunedClassifier(tiny, Full(), HPARAMS, callbacks=[KeepLastGood(every=6), wild])
        rescued.fit(*messages)
    assert "weights of step 12 are back" in rescued.history_["stopped"] and any("Lower the learning rate" in str(w.message) for w in said)
    kept = rescued.callbacks[1].good if hasattr(rescued.callbacks[1], "good") else wild.good
    for name, p in rescued.model_.named_parameters(): np.testing.assert_array_equal(p.detach().numpy(), kept[name].numpy())
    assert np.isfinite(rescued.predict_proba(messages[0])).all()


@pytest.mark.parametrize("steps", [1, 2])
def test_divergence_in_the_last_step_is_seen_before_anything_is_kept(tiny, messages, tmp_path, steps):
    class Wild(Callback):
        def on_step_end(self, run):
            if run.step == steps - 1: run.optimizer.param_groups[0]["lr"] = 1e30
    rate = 1e30 if steps == 1 else 1e-3
    hparams = HParams(rate, max_steps=steps, per_device_train_batch_size=8, warmup_steps=0, lr_scheduler_type="constant", max_grad_norm=1e-3)
    validation = (messages[0][:9], messages[1][:9])
    with pytest.raises(CourseError, match=f"The loss became nan after the last of {steps} steps: the learning rate .* is too high.*try a tenth"):
        model(tiny, Checkpoint(tmp_path), Wild(), hparams=hparams).fit(*messages, validation=validation)
    assert list(tmp_path.iterdir()) == []
    with pytest.warns(UserWarning, match=f"at step {steps} of {steps}; the weights of step {steps - 1} are back"):
        rescued = model(tiny, KeepLastGood(every=1), Wild(), hparams=hparams).fit(*messages, validation=validation)
    assert np.isfinite(rescued.predict_proba(messages[0])).all() and np.isfinite([step["loss"] for step in rescued.history_["steps"]]).all()


ORDERS = {"early stopping last": lambda c: [c, EarlyStopping(2)], "early stopping first": lambda c: [EarlyStopping(2), c]}


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_callbacks_does_not_matter(tiny, messages, tmp_path, order):
    long = HParams(learning_rate=3e-3, num_train_epochs=8, per_device_train_batch_size=8)
    validation = (messages[0][:20], messages[1][20:40])
    whole = model(tiny, EarlyStopping(2), hparams=long).fit(*messages, validation=validation)
    for _ in range(2):   # to its end, and once more from its last checkpoint
        same(model(tiny, *ORDERS[order](Checkpoint(tmp_path, every=7)), hparams=long).fit(*messages, validation=validation), whole, messages[0])


def test_the_first_error_is_the_one_that_is_told(tiny, messages, tmp_path):
    with pytest.raises(RuntimeError): model(tiny, Checkpoint(tmp_path, every=1), BreakAt(1)).fit(*messages)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(CourseError, match="other rows"):
        model(tiny, Checkpoint(tmp_path), StopOnSignal()).fit(messages[0][:9], messages[1][:9])
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_does_not_overwrite_a_good_checkpoint(tiny, messages, straight, tmp_path):
    class Twice(Callback):
        def on_step_end(self, run):
            if run.step == 6: os.kill(os.getpid(), signal.SIGINT); os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt): model(tiny, StopOnSignal(), Twice(), Checkpoint(tmp_path, every=2)).fit(*messages)
    same(model(tiny, Checkpoint(tmp_path)).fit(*messages), straight, messages[0])


def test_numpy_settings_can_be_resumed(tiny, messages, tmp_path):
    hparams = HParams(learning_rate=np.float64(1e-3), num_train_epochs=3, per_device_train_batch_size=np.int64(8))
    with pytest.raises(RuntimeError): model(tiny, Checkpoint(tmp_path, every=1), BreakAt(2), hparams=hparams).fit(*messages)
    model(tiny, Checkpoint(tmp_path), hparams=hparams).fit(*messages)


def test_settings_of_callbacks_are_compared_and_checked(tiny):
    assert repr(EarlyStopping(1)) != repr(EarlyStopping(9)) and EarlyStopping(1) == EarlyStopping(1)
    for wrong in (lambda: Checkpoint("x", every=0), lambda: KeepLastGood(every=0)):
        with pytest.raises(ValueError, match="1 step or more"): wrong()
