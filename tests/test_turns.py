"One training at a time: threads of one program, programs of one machine."
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from filelock import FileLock

from ft_course.core import one_at_a_time, seeded
from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.estimators import FineTunedClassifier
from ft_course.training import Callback, Full, HParams
from ft_course.widgets import experiment

HPARAMS = HParams(learning_rate=1e-3, max_steps=6, per_device_train_batch_size=8)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    "A cache folder of this test's own; programs that have it wait for each other."
    monkeypatch.delenv("FT_COURSE_PARALLEL", raising=False)
    monkeypatch.setenv("FT_COURSE_HOME", str(tmp_path/"home"))
    return tmp_path/"home"


def fit(tiny, messages, seed, *callbacks): return FineTunedClassifier(tiny, Full(), HPARAMS, random_state=seed, callbacks=callbacks).fit(*messages)


def same(a, b, texts):
    assert a.history_ == b.history_
    np.testing.assert_array_equal(a.decision_function(texts), b.decision_function(texts))


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(.01)


@pytest.mark.slow
def test_two_threads_train_as_each_would_alone(tiny, messages, capfd):
    alone, together, spans = [fit(tiny, messages, seed) for seed in (0, 1)], [None, None], []
    began = threading.Event()
    class Slow(Callback):   # the other has the time to begin, and would draw between these steps
        def on_train_begin(self, run): spans.append([time.monotonic()]); began.set()
        def on_step_end(self, run): time.sleep(.15)
        def on_train_end(self, run): spans[-1].append(time.monotonic())
    def work(seed): together[seed] = fit(tiny, messages, seed, Slow())
    threads = [threading.Thread(target=work, args=(seed,)) for seed in (0, 1)]
    threads[0].start(); began.wait(60); threads[1].start()
    for thread in threads: thread.join()
    for one, other in zip(alone, together): same(one, other, messages[0])
    assert spans[0][1] <= spans[1][0] and capfd.readouterr().err.count("Another run of this program is training; this waits until it has ended.") == 1


@pytest.mark.slow
def test_what_only_reads_does_not_wait_and_what_draws_does(tiny, messages):
    model, log, inside = fit(tiny, messages, 0), [], threading.Event()
    def train():
        with one_at_a_time(): inside.set(); time.sleep(.8); log.append("trained")
    thread = threading.Thread(target=train)
    thread.start(); inside.wait()
    model.predict(messages[0][:3]); log.append("predicted")
    with seeded(None): log.append("drew nothing")
    with seeded(0): log.append("drew")
    thread.join()
    assert log == ["predicted", "drew nothing", "trained", "drew"]


def test_a_training_within_a_training_has_its_turn(tiny, messages, home):
    class Nested(Callback):
        def on_epoch_end(self, run): self.inner = fit(tiny, messages, 1)
    nested, alone = Nested(), fit(tiny, messages, 0)
    same(fit(tiny, messages, 0, nested), alone, messages[0])
    same(nested.inner, fit(tiny, messages, 1), messages[0])
    with FileLock(home/"training.lock", timeout=0): pass   # and both are given back


def test_where_no_file_can_be_locked_it_trains(tiny, messages, home):
    home.write_text("a file where a folder should be")
    assert len(fit(tiny, messages, 0).history_["steps"]) == 6


FIT = """
    import time
    from ft_course.data import EXAMPLE_CSV, load_task
    from ft_course.estimators import FineTunedClassifier
    from ft_course.training import Callback, Full, HParams
    class Say(Callback):
        def on_train_begin(self, run): print(time.time())
    FineTunedClassifier({tiny!r}, Full(), HParams(max_steps=1), callbacks=[Say()]).fit(*load_task(EXAMPLE_CSV).split("train"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["", "1"])
def test_a_second_program_waits_until_the_first_has_trained(tiny, messages, tmp_path, parallel):
    said, other = tmp_path/"said", []
    class Meanwhile(Callback):
        def on_step_end(self, run):
            if run.step != 2: return
            with said.open("w") as err:
                other.append(subprocess.Popen([sys.executable, "-c", textwrap.dedent(FIT).format(tiny=tiny)], text=True, stdout=subprocess.PIPE, stderr=err,
                                              env=os.environ | {"FT_COURSE_PARALLEL": parallel}))
            until(lambda: "Another program on this machine is training" in said.read_text() or other[0].poll() is not None, 120)
            time.sleep(.5)
    fit(tiny, messages, 0, Meanwhile())
    ended = time.time()
    began = float(other[0].communicate(timeout=120)[0])
    assert other[0].returncode == 0 and (began < ended if parallel else began >= ended)
    assert said.read_text().count("is training; this waits until it has ended.") == (not parallel)


def holder():
    "A program that holds the turn until it is killed."
    code = "import time\nfrom ft_course.core import one_at_a_time\nwith one_at_a_time(): print('held', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_wait_ends_by_an_interrupt_and_by_the_death_of_the_other(capfd):
    with holder() as process:
        threading.Timer(.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            with one_at_a_time(): pytest.fail("it did not wait")
        assert time.monotonic() - start < 2
        process.kill()
    with one_at_a_time(lambda said: time.monotonic() - start < 10 or pytest.fail("the lock of a dead process")): pass


@pytest.mark.slow
@pytest.mark.parametrize("who", ["a run of this program", "another program"])
def test_stop_ends_a_panels_run_that_waits(tiny, home, tmp_path, monkeypatch, who):
    monkeypatch.chdir(tmp_path)
    (tmp_path/".course.json").write_text("{}")
    panel = experiment(load_task(EXAMPLE_CSV), estimator=FineTunedClassifier(tiny), controls=("num_train_epochs",), name="x").set(num_train_epochs=1)
    home.mkdir()
    with one_at_a_time() if who.startswith("a run") else FileLock(home/"training.lock"):
        panel.run()
        until(lambda: "is training; this waits until it has ended" in panel.said)
        assert panel.stop().said == "Stopping…"
        panel.wait(5)
        assert not panel.training and panel.said == "Stopped before the first step: there is nothing to keep." and not len(panel.runs)
        panel.run()
        until(lambda: panel._job.watch.waiting)
    assert panel.wait().runs["ended"].tolist() == ["finished"]
