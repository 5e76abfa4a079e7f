"The panel that trains, driven from Python: its controls, what a run costs, its runs and their faults."
import json
import os
import threading
import time
from dataclasses import fields, make_dataclass
from pathlib import Path

import pytest

from ft_course.classroom.progress import keep
from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.estimators import FineTunedClassifier
from ft_course.training import HeadOnly, HParams, LastLayers
from ft_course.widgets import Control, Controls, control_of, expected_cost, experiment
from ft_course.widgets.controls import CONTROLS
from ft_course.widgets.jobs import Job
from ft_course.widgets.runs import Runs


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path/".course.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small(tiny):
    "A panel whose runs take a second."
    def make(**more):
        return experiment(load_task(EXAMPLE_CSV), **{
            "estimator": FineTunedClassifier(tiny), "hparams": HParams(learning_rate=1e-3, num_train_epochs=2, per_device_train_batch_size=8),
            "controls": ("learning_rate", "num_train_epochs", "dropout", "early_stopping", "rows"), "name": "06.panel"} | more)
    return make


def after_a_step(panel):
    while panel.training and not panel._job.watch.losses: time.sleep(.01)


def test_a_run_equals_fit(mine, small, tiny):
    panel = small(controls=("learning_rate", "num_train_epochs")).set(learning_rate=3e-3).run(wait=True)
    task = load_task(EXAMPLE_CSV)
    alone = FineTunedClassifier(tiny, hparams=HParams(learning_rate=panel.settings["learning_rate"], num_train_epochs=2, per_device_train_batch_size=8)).fit(*task.split("train"))
    texts = task.split("validation")[0]
    assert (panel.model.predict_proba(texts) == alone.predict_proba(texts)).all()
    assert panel.runs["ended"].tolist() == ["finished"] and "learning_rate 0.003" in panel.runs["changed"].iloc[0]


def test_settings_of_a_class_of_the_readers_own_will_do(mine, small, tiny):
    Own = make_dataclass("Own", [(f.name, f.type, f) for f in fields(HParams)], frozen=True)
    panel = small(hparams=Own(learning_rate=1e-3, num_train_epochs=1), controls=("learning_rate",)).run(wait=True)
    assert panel.runs["ended"].tolist() == ["finished"]


def test_the_default_dropout_is_the_models_own(mine, small, tiny, tmp_path):
    from transformers import AutoConfig, AutoModel, AutoTokenizer
    config = AutoConfig.from_pretrained(tiny, hidden_dropout_prob=.25, attention_probs_dropout_prob=.25)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(tmp_path)
    assert small().settings["dropout"] == .1 and small(estimator=FineTunedClassifier(str(tmp_path))).settings["dropout"] == .25


@pytest.mark.slow
def test_stop_ends_a_scoring_and_a_step_too(mine, small, monkeypatch):
    from ft_course.hyperparameters import KnownBefore
    scoring, go_on = threading.Event(), threading.Event()
    score = KnownBefore.score
    def slow(self, model):
        if model.training: return score(self, model)
        scoring.set()
        go_on.wait(10)
        return score(self, model)
    panel = small(old_task=True).set(num_train_epochs=12).run()
    after_a_step(panel)
    monkeypatch.setattr(KnownBefore, "score", slow)   # at the end of the next epoch
    assert scoring.wait(20) and panel.stop().said == "Stopping…"
    go_on.set()
    panel.wait()
    record = panel.kept.records[-1]
    assert record["ended"] == "stopped by you" and record["steps"] < panel._job.watch.n_steps
    assert not panel.model.model_.get_input_embeddings()._forward_pre_hooks



@pytest.mark.slow
def test_what_is_pressed_at_the_wrong_time_gets_a_sentence(mine, small):
    panel, other = small(), small(name="other")
    assert "press Run first" in panel.stop().said
    with pytest.raises(ValueError, match="press Run first"): panel.pin()
    panel.set(num_train_epochs=12).run()
    assert "A run is going on" in panel.run().said
    assert "Another panel is training" in other.run().said
    after_a_step(panel)
    panel.stop().wait()
    assert panel.runs["ended"].tolist() == ["stopped by you"] and len(panel.model.predict(["a"])) == 1
    assert other.run(wait=True).runs["ended"].tolist() == ["finished"]


@pytest.mark.slow
def test_runs_and_settings_survive_a_restart_and_two_notebooks(mine, small):
    first = small().set(learning_rate=3e-3).run(wait=True)
    second = small()                                       # as after a restart: same file, new panel
    assert second.settings == first.settings and len(second.runs) == 1 and "<svg" in second.view.curves.value
    first.run(wait=True)
    second.run(wait=True)                                  # has not seen the other's second run
    assert sorted(json.loads(p.read_text())["run"] for p in (mine/"runs"/"06.panel").glob("*.json")) == [1, 2, 3]
    (mine/"runs"/"06.panel"/"002.json").write_text("{")
    third = small().pin(1)
    assert len(third.runs) == 2 and small().runs.loc[1, "pinned"] == "yes"
    third.reset().use(3)
    assert third.settings["learning_rate"] == pytest.approx(3e-3)
    assert "learning_rate 0.003" in third.runs.to_csv()


def test_the_panel_watches_the_old_task_and_stops_early(mine, tiny):
    panel = experiment(load_task(EXAMPLE_CSV), estimator=FineTunedClassifier(tiny), hparams=HParams(learning_rate=1e-2, num_train_epochs=6, per_device_train_batch_size=8),
                       controls=("early_stopping",), old_task=True).set(early_stopping=1).run(wait=True)
    assert panel.runs["old task's loss"].notna().all() and panel.view.curves.value.count("<svg") == 2


def test_a_rate_that_diverges_gets_its_sentence(mine, small, monkeypatch):
    import torch
    panel = small()
    monkeypatch.setattr("ft_course.training.classification_loss", lambda model, batch: sum(p.sum() for p in model.parameters())*torch.nan)
    assert "is too high for this model" in panel.run(wait=True).said and not len(panel.runs)
    monkeypatch.undo()
    monkeypatch.chdir(mine)
    assert panel.run(wait=True).runs["ended"].tolist() == ["finished"], "the lock is free again"


def test_what_cannot_train_is_refused(mine, tiny):
    from sklearn.dummy import DummyClassifier
    from ft_course.training import Method
    task = load_task(EXAMPLE_CSV)
    class Nothing(Method):
        def apply(self, model): return model.requires_grad_(False)
        def __repr__(self): return "Nothing()"
    with pytest.raises(ValueError, match="DummyClassifier has no training"): experiment(task, estimator=DummyClassifier())
    with pytest.raises(ValueError, match=r"Nothing\(\) leaves nothing"): experiment(task, estimator=FineTunedClassifier(tiny), method=Nothing())
    with pytest.raises(ValueError, match="this run has no setting 'learning_rat'.*did you mean 'learning_rate'"): experiment(task, estimator=FineTunedClassifier(tiny), controls=("learning_rat",))
    panel = experiment(task, LastLayers(2), estimator=FineTunedClassifier(tiny), name="x")
    assert panel.controls.sliders["k"].max == 2
    for wrong in ({"k": 9}, {"learning_rate": 5}, {"kk": 1}, {"per_device_train_batch_size": 7}):
        with pytest.raises(ValueError): panel.set(**wrong)


def test_a_learners_file_is_a_task(mine, tiny):
    panel = experiment(EXAMPLE_CSV, estimator=FineTunedClassifier(tiny), controls=("num_train_epochs",))
    assert "messages" in panel.task.name and panel.set(num_train_epochs=1).run(wait=True).runs["ended"].tolist() == ["finished"]


def test_expected_cost_follows_rows_epochs_and_what_trains(tiny):
    def seconds(method, n=1000, **hparams): return expected_cost(FineTunedClassifier("minilm", method, HParams(**hparams)), [30]*n, speed=240.).seconds
    whole = FineTunedClassifier().method
    assert seconds(HeadOnly()) < seconds(LastLayers(1)) < seconds(LastLayers(3)) < seconds(whole)
    assert 1.8 < (seconds(whole, num_train_epochs=4) - 2)/(seconds(whole, num_train_epochs=2) - 2) < 2.2
    assert expected_cost(FineTunedClassifier("minilm"), [30]*100, speed=240.).mb < expected_cost(FineTunedClassifier("minilm", hparams=HParams(per_device_train_batch_size=128)), [30]*200, speed=240.).mb


def test_a_methods_own_fields_get_controls():
    assert control_of("rank", 8).kind == "int" and control_of("scale", .5).kind == "log" and control_of("on", True).options == (False, True)
    mine = Control("rank", "choice", options=(4, 8))
    assert control_of("rank", 8, {"control": mine}) is mine
    with pytest.raises(ValueError, match="has no control"): control_of("targets", ("q", "v"))


def test_bars_are_for_the_main_thread_only():
    from ft_course.core import progress
    seen = []
    thread = threading.Thread(target=lambda: seen.append(progress(range(3)).disable))
    thread.start(); thread.join()
    assert seen == [True] and progress(range(3)).disable == bool(os.environ.get("TQDM_DISABLE"))


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "..", "", " x ", "CON", "x"*300, "a:b?"])
def test_a_panels_name_stays_in_the_folder_of_runs(mine, name):
    runs = Runs(name or " ")
    assert runs.folder.resolve().parent == mine/"runs", "no name leads out of the learner's copy"
    assert len(runs.folder.name) < 80 and runs.folder.name.strip(" .") == runs.folder.name
    assert Runs("06.panel").folder.name == "06.panel" and Runs("a/b").folder != Runs("a:b").folder


def record(**more):
    return {"task": "t", "settings": {"learning_rate": .1}, "changed": {}, "ended": "finished", "seconds": 1.5, "steps": 2, "of": 2, "losses": [1., .5],
            "every": 1, "points": [{"step": 2, "validation_loss": .7}], "old": [], "metric": "macro-F1", "score": "0.5 [0.4, 0.6]"} | more


@pytest.mark.parametrize("wrong", [{"run": "1"}, {"run": 7}, {"points": [3]}, {"points": [{"step": 1}]}, {"old": [{}]}, {"changed": None}])
def test_a_run_file_that_is_none_is_left_out_and_named(mine, small, wrong):
    folder = mine/"runs"/"06.panel"
    folder.mkdir(parents=True)
    (folder/"001.json").write_text(json.dumps(record(run=1) | wrong))
    (folder/"002.json").write_text(json.dumps(record(run=2)))
    (folder/"notes.json").write_text("mine")
    panel = small()
    assert panel.runs.index.tolist() == [2] and "001.json" in panel.said, "one bad file costs one run, not the panel"
    assert Runs("06.panel").add(record())["run"] == 3, "its number is not given again"


def test_settings_of_another_version_fall_back_one_by_one(mine, small):
    keep("panels", "06.panel", settings={"learning_rate": 5e-3, "num_train_epochs": "many", "dropout": None, "rows": [1], "gone": 3})
    panel = small()
    assert panel.settings["learning_rate"] == pytest.approx(5e-3) and panel.settings["num_train_epochs"] == 2
    with pytest.raises(ValueError): panel.set(learning_rate=1e-4, num_train_epochs=99)
    assert panel.settings["learning_rate"] == pytest.approx(5e-3), "all settings or none"


@pytest.mark.slow
def test_a_full_disk_costs_no_run(mine, small, monkeypatch):
    panel = small()
    def full(*_, **__): raise OSError(28, "No space left on device")
    monkeypatch.setattr(Path, "write_text", full)
    panel.run(wait=True)
    assert "disk is full" in panel.said and len(panel.runs) == 1 and panel.model.predict(["a"]).shape == (1,), "run and model stay in memory"
    assert len(list((mine/"runs"/"06.panel").glob("*"))) <= 1
    panel.view.buttons["pin"].click()
    assert "disk is full" in panel.said and panel.runs["pinned"].tolist() == ["yes"]
    monkeypatch.undo()
    monkeypatch.chdir(mine)
    panel.pin().pin()
    assert len(small().runs) == 1, "written as soon as there is room"


@pytest.mark.slow
def test_whatever_ends_a_run_is_said_and_frees_the_cores(mine, small, monkeypatch):
    panel = small()
    for error, said in ((SystemExit(3), "SystemExit"), (KeyError("x"), "KeyError"), (MemoryError(), "MemoryError")):
        def fails(*_, error=error): raise error
        monkeypatch.setattr("ft_course.training.classification_loss", fails)
        assert said in panel.run(wait=True).said and panel.model is None
    monkeypatch.undo()
    monkeypatch.chdir(mine)
    def no_score(*_): raise RuntimeError("odd")
    with monkeypatch.context() as m:
        m.setattr("ft_course.widgets.panel.final_score", no_score)
        assert "scoring it failed (RuntimeError: odd)" in panel.run(wait=True).said and panel.model is not None
    with monkeypatch.context() as m:
        m.setattr("ft_course.widgets.panel.loss_curves", no_score)
        m.setattr(time, "perf_counter", iter(range(10**6)).__next__)   # every step is drawn
        panel.run(wait=True)
    assert panel.runs["ended"].tolist() == ["finished"], "a picture that fails does not end the run"
    with monkeypatch.context() as m:
        m.setattr(Job, "start", lambda self: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt): panel.run()
    assert panel.run(wait=True).runs["ended"].tolist() == ["finished"]*2


def test_an_interrupt_of_the_waiting_cell_stops_the_run(mine, small, monkeypatch):
    panel = small().set(num_train_epochs=12)
    wait = panel.wait
    def interrupted(seconds=None):
        after_a_step(panel)
        raise KeyboardInterrupt
    monkeypatch.setattr(panel, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt): panel.run(wait=True)
    wait()
    assert panel.runs["ended"].tolist() == ["stopped by you"]


def test_stop_while_loading_and_twice(mine, small, monkeypatch):
    from ft_course.estimators import classifier
    loading, go_on = threading.Event(), threading.Event()
    load = classifier.load_classifier
    def slow(*args, **kwargs):
        loading.set()
        go_on.wait(10)
        return load(*args, **kwargs)
    monkeypatch.setattr(classifier, "load_classifier", slow)
    panel = small().set(num_train_epochs=12).run()
    assert loading.wait(10) and "is loaded" in panel.stop().said and "is loaded" in panel.stop().said
    assert not panel.kept.records
    go_on.set()
    panel.wait()
    assert "before the first step" in panel.said and not panel.kept.records
    assert "Nothing is running" in panel.stop().said


@pytest.mark.slow
def test_a_panel_whose_cell_was_run_again_can_still_be_stopped(mine, small):
    lost = small().set(num_train_epochs=12).run()
    panel = small()
    after_a_step(lost)
    assert "press Stop" in panel.run().said and "other panel's run" in panel.stop().said
    lost.wait()
    assert lost.kept.records[-1]["ended"] == "stopped by you" and "press Run first" in panel.stop().said
    assert small().runs["ended"].tolist() == ["stopped by you"], "its run is kept, for the next panel of this name"


@pytest.mark.slow
def test_moving_a_control_while_it_trains_changes_nothing(mine, small):
    def train(move):
        panel = small(name="x").reset().set(num_train_epochs=4).run()
        while move and panel.training:
            for k in (1e-3, 3e-3): panel.set(learning_rate=k)
            panel.forecast.sizes.clear()
        return panel.wait().kept.records[-1]["losses"]
    assert train(True) == train(False), "the forecast draws no random numbers from those of the run"


@pytest.mark.slow
def test_methods_with_any_fields_have_a_panel(mine, tiny):
    from dataclasses import dataclass, field
    from ft_course.training import Method
    @dataclass(frozen=True)
    class Odd(Method):
        names: tuple = ("dense",)
        dropout: float = 0.
        k: int = 3
        scale: float = 0.
        rank: int = field(default=4, metadata={"control": Control("rank", "choice", options=(4, 8))})
        def apply(self, model): return model
    class Plain(Method):
        def apply(self, model): return model
    @dataclass(frozen=True)
    class Weighing(Method):
        def apply(self, model):
            next(model.parameters()).abs().max().item()   # needs the weights themselves
            return model
    task = load_task(EXAMPLE_CSV)
    panel = experiment(task, Odd(), estimator=FineTunedClassifier(tiny), controls="learning_rate")
    assert list(panel.controls.sliders) == ["learning_rate", "dropout", "k", "rank"] and panel.set(dropout=.2, rank=8).unfitted().method == Odd(dropout=.2, rank=8)
    assert panel.unfitted().callbacks == (), "a method's own dropout is the method's"
    assert panel.controls.sliders["k"].description == "k" and panel.controls.sliders["k"].max == 12
    with pytest.raises(ValueError, match="names.*has no control"): experiment(task, Odd(), estimator=FineTunedClassifier(tiny), controls=("names",))
    for method in (Plain(), Weighing()):
        panel = experiment(task, method, estimator=FineTunedClassifier(tiny), name=type(method).__name__)
        assert panel.set(num_train_epochs=1).run(wait=True).runs["ended"].tolist() == ["finished"]
    assert "not known" in panel.view.cost.value


@pytest.mark.slow
def test_controls_at_their_ends_run_or_are_refused(mine, small):
    panel = small(controls=("learning_rate", "weight_decay", "warmup_steps", "max_grad_norm", "max_length", "dropout", "per_device_train_batch_size"))
    for end in ("low", "high"):
        for slider in panel.controls.sliders.values():
            slider.index = 0 if end == "low" else len(slider.options) - 1
        said = panel.run(wait=True).said
        assert "failed" not in said and "Traceback" not in said
        panel.set(**panel.settings)
    for wrong in (float("nan"), True, None, "1e-3"):
        with pytest.raises(ValueError, match="goes from"): panel.set(learning_rate=wrong)
    panel.reset()
    panel.set(learning_rate=1e-6).reset()
    assert panel.settings == panel.controls.defaults


@pytest.mark.slow
def test_tasks_of_odd_shape(mine, tiny):
    from dataclasses import replace
    from datasets import Dataset, DatasetDict
    def task(n, n_validation, label=int, **more):
        rows = lambda n: Dataset.from_dict({"text": [f"<b>text {i}" for i in range(n)], "label": [label(i % 2) for i in range(n)]})
        return replace(load_task(EXAMPLE_CSV), name="../<i>odd</i>", data=DatasetDict({"train": rows(n), "validation": rows(n_validation)} | more))
    panel = experiment(task(3, 1), estimator=FineTunedClassifier(tiny), controls=("num_train_epochs", "per_device_train_batch_size", "rows"), rows=500)
    assert panel.set(num_train_epochs=1, per_device_train_batch_size=128).run(wait=True).runs["ended"].tolist() == ["finished"], "labels that are numbers, a batch larger than the rows"
    assert "<i>" not in panel.view.children[0].value and panel.kept.folder.parent == mine/"runs"
    one = experiment(task(3, 1, label=lambda i: "a"), estimator=FineTunedClassifier(tiny))
    assert "at least two different" in one.run(wait=True).said
    with pytest.raises(ValueError, match="no validation rows"): experiment(task(3, 0), estimator=FineTunedClassifier(tiny))
    without = task(3, 2)
    del without.data["train"]
    with pytest.raises(ValueError, match="no train rows"): experiment(without, estimator=FineTunedClassifier(tiny))
    for wrong in ({"method": HeadOnly}, {"hparams": HParams}):
        with pytest.raises(ValueError, match=r"is a class; write \w+\(\)"): experiment(task(3, 2), estimator=FineTunedClassifier(tiny), **wrong)
    assert len(experiment(task(3, 2), estimator=FineTunedClassifier(tiny), validation_rows=None).data().data["validation"]) == 2


@pytest.mark.slow
def test_the_chosen_run_stays_chosen(mine, small):
    panel = small().set(num_train_epochs=1).run(wait=True).run(wait=True)
    panel.view.table.choose.value = 1
    panel.view.buttons["pin"].click()
    assert panel.view.table.choose.value == 1 and panel.runs["pinned"].tolist() == ["yes", ""]
    panel.run(wait=True)
    assert panel.view.table.choose.value == 3


def test_a_slider_stops_at_its_default_and_at_what_is_set():
    names = {"learning_rate": 3e-4, "max_grad_norm": 1., "dropout": .13, "warmup_steps": .06, "weight_decay": .05, "lr_scheduler_type": "linear"}
    controls = Controls({name: control_of(name, default) for name, default in names.items()}, names)
    moved = []
    controls.on_change(lambda: moved.append(controls.values["learning_rate"]))
    assert controls.values == names and not any("changed" in reason.value for reason in controls.reasons.values())
    def stops(name): return [v for _, v in controls.sliders[name].options]
    assert all(default in stops(name) for name, default in names.items()) and {1e-6, 1e-3, 1e-2} <= {*stops("learning_rate")}
    controls.set(learning_rate=2.5e-4)
    assert stops("learning_rate") == sorted(stops("learning_rate")) and controls.values["learning_rate"] == moved[-1] == 2.5e-4
    assert "changed" in controls.reasons["learning_rate"].value
    controls.set(**names)
    assert controls.values == names


@pytest.mark.parametrize("name", [n for n, c in CONTROLS.items() if c.kind != "choice"])
def test_reset_gives_every_default_back_exactly(name):
    "A scale of powers would snap 3e-4 to 3.16e-4: each default is a stop, also an odd one."
    control = CONTROLS[name]
    odd = [control.low, control.high] + ([3, 7] if control.kind == "int" else [control.low*1.2345 + .01*control.high, getattr(HParams(), name, control.low)])
    for default in odd:
        controls = Controls({name: control}, {name: default})
        stops = [v for _, v in controls.sliders[name].options] if control.kind != "int" else range(13)
        assert default in stops and controls.values == {name: default} and "changed" not in controls.reasons[name].value
        controls.set(**{name: control.high if default != control.high else control.low})
        assert "changed" in controls.reasons[name].value
        controls.set(**controls.defaults)
        assert controls.values == {name: default} and "changed" not in controls.reasons[name].value


def test_the_same_settings_make_the_same_estimator(tiny):
    from ft_course.widgets.settings import Settings
    settings = Settings(FineTunedClassifier(tiny, LastLayers(1)), load_task(EXAMPLE_CSV), ("learning_rate", "rows"))
    assert list(settings.controls) == ["learning_rate", "rows", "k"]
    made = settings.unfitted({"k": 2, "learning_rate": 3e-4, "rows": 50})
    assert made.method == LastLayers(2) and made.hparams.learning_rate == 3e-4 and settings.rows_of({"rows": 50}) == 50
    assert settings.changed(settings.defaults) == {}


def test_a_notebook_shows_the_panel(mine, small):
    shown = small()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in shown and shown["text/plain"].startswith("Experiment on")


def test_rank_and_alpha_have_sliders(tiny):
    from peft import LoraConfig
    panel = experiment(load_task(EXAMPLE_CSV), LoraConfig(r=2, lora_alpha=4, target_modules=["query"]), estimator=FineTunedClassifier(tiny), controls="num_train_epochs")
    assert panel.settings == {"num_train_epochs": panel.settings["num_train_epochs"], "r": 2, "lora_alpha": 4}
    method = panel.set(r=8, lora_alpha=64).unfitted().method
    assert (method.r, method.lora_alpha, method.target_modules) == (8, 64, {"query"})
    with pytest.raises(ValueError, match="r=3: this control has 1, 2, 4"): panel.set(r=3)


def test_a_method_of_peft_has_a_panel(mine, tiny):
    from peft import LoraConfig
    panel = experiment(load_task(EXAMPLE_CSV), LoraConfig(r=2, target_modules=["query"]), estimator=FineTunedClassifier(tiny), controls="num_train_epochs")
    assert list(panel.settings) == ["num_train_epochs", "r", "lora_alpha"] and "Expected: about" in panel.view.cost.said
    assert panel.set(num_train_epochs=1).run(wait=True).runs["ended"].tolist() == ["finished"]
