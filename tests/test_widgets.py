"Widgets driven from Python: guesses that stay, quizzes, the panel's faults, labelling that resumes."
import json
import threading
import time

import pytest

from ft_course import widgets
from ft_course.core import CourseError
from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.exercises import quiz_names, quiz_question
from ft_course.learner import keep, recall
from ft_course.training import FineTunedClassifier, HeadOnly, HParams, LastLayers
from ft_course.widgets import (Control, control_of, expected_cost, experiment, guess_choice, guess_curve, guess_number, guesses, inline_svg, label, quiz)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path/".course.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_guess_is_kept_and_stays_once_the_result_is_known(mine):
    guess = guess_number("06.share", "What share?", 0, 100, unit="%")
    assert "no guess" in guess.result(64) and recall("guesses") == {}
    guess.make(70)
    again = guess_number("06.share", "What share?", 0, 100, unit="%")
    assert again.value == 70 and not again.button.disabled
    assert "Your guess: 70 %. Here: 64 [62, 66] %." == again.result(64, 62, 66)
    with pytest.raises(ValueError, match="stays what it was"): again.make(64)
    assert guess_number("06.share", "What share?", 0, 100, unit="%").button.disabled
    assert "70 %" in guesses("06") and "64 [62, 66] %" in guesses("06") and "no guesses" in guesses("07")


def test_choices_and_curves(mine):
    choice, curve = guess_choice("06.c", "Which?", ["a", "b"]), guess_curve("06.d", "How?", [0, 1, 2], 0, 2, "epoch", "loss")
    assert choice.make().value is None
    choice.make("b")
    curve.make([0, 1, 2])
    assert choice.result("a") == "Your guess: b. Here: a." and "<svg" in curve.result([2, 1, 0])._repr_html_()
    assert guess_choice("06.c", "Which?", ["a", "b"]).control.value == "b" and guess_curve("06.d", "How?", [0, 1, 2], 0, 2).value == [0, 1, 2]
    for wrong in (lambda: guess_choice("06.e", "?", ["a", "b"]).make("z"), lambda: guess_number("06.f", "?", 0, 1).make(7), lambda: guess_curve("06.g", "?", [0, 1], 0, 1).make([1])):
        with pytest.raises(ValueError): wrong()


def test_a_guess_edited_by_hand_counts_as_none(mine):
    keep("guesses", "06.share", guess="many")
    assert guess_number("06.share", "?", 0, 100).value is None


def test_pictures_take_the_pages_colour_and_say_what_they_show():
    figure, (ax,) = widgets.axes(3, 2)
    ax.plot([0, 1])
    svg = inline_svg(figure, 'a "line"')
    assert "currentColor" in svg and 'role="img"' in svg and "a &quot;line&quot;" in svg and widgets.INK not in svg


@pytest.mark.parametrize("name", quiz_names()[:3])
def test_a_quiz_explains_each_choice_and_is_kept(mine, name):
    choices = quiz_question(name)["choices"]
    right = [bool(c.get("right")) for c in choices].index(True)
    question = quiz(name)
    for number in [i for i in range(len(choices)) if i != right] + [right]:
        question.choose(number)
        assert widgets.marked_up(choices[number]["why"]) in question.reason.value and ("✓" in question.reason.value) == (number == right)
    assert recall("quizzes", name)["right"] is True and "You had this one right" in quiz(name).reason.value
    with pytest.raises(ValueError, match="not 9"): question.choose(9)
    with pytest.raises(ValueError, match="has no quiz"): quiz("99")


@pytest.fixture
def small(tiny):
    "A panel whose runs take a second."
    def make(**more):
        return experiment(load_task(EXAMPLE_CSV), estimator=FineTunedClassifier(tiny), hparams=HParams(learning_rate=1e-3, num_train_epochs=2, per_device_train_batch_size=8),
                          **{"controls": ("learning_rate", "num_train_epochs", "dropout", "early_stopping", "rows"), "name": "06.panel"} | more)
    return make


def test_a_run_equals_fit(mine, small, tiny):
    panel = small(controls=("learning_rate", "num_train_epochs")).set(learning_rate=3e-3).run(wait=True)
    task = load_task(EXAMPLE_CSV)
    alone = FineTunedClassifier(tiny, hparams=HParams(learning_rate=panel.settings["learning_rate"], num_train_epochs=2, per_device_train_batch_size=8)).fit(*task.split("train"))
    texts = task.split("validation")[0]
    assert (panel.model.predict_proba(texts) == alone.predict_proba(texts)).all()
    assert panel.runs["ended"].tolist() == ["finished"] and "learning_rate 0.003" in panel.runs["changed"].iloc[0]


def test_what_is_pressed_at_the_wrong_time_gets_a_sentence(mine, small):
    panel, other = small(), small(name="other")
    assert "press Run first" in panel.stop()._said
    with pytest.raises(ValueError, match="press Run first"): panel.export()
    with pytest.raises(ValueError, match="press Run first"): panel.pin()
    panel.set(num_train_epochs=12).run()
    assert "A run is going on" in panel.run()._said
    assert "Another panel is training" in other.run()._said
    panel.stop().wait()
    assert panel.runs["ended"].tolist() == ["stopped by you"] and len(panel.model.predict(["a"])) == 1
    assert other.run(wait=True).runs["ended"].tolist() == ["finished"]


def test_runs_and_settings_survive_a_restart_and_two_notebooks(mine, small):
    first = small().set(learning_rate=3e-3).run(wait=True)
    second = small()                                       # as after a restart: same file, new panel
    assert second.settings == first.settings and len(second.runs) == 1 and "<svg" in second.plot.value
    first.run(wait=True)
    second.run(wait=True)                                  # has not seen the other's second run
    assert sorted(json.loads(p.read_text())["run"] for p in (mine/"runs"/"06.panel").glob("*.json")) == [1, 2, 3]
    (mine/"runs"/"06.panel"/"002.json").write_text("{")
    third = small().pin(1)
    assert len(third.runs) == 2 and small().runs.loc[1, "pinned"] == "yes"
    third.reset().use(3)
    assert third.settings["learning_rate"] == pytest.approx(3e-3)
    third.export(mine/"runs.csv")
    assert "learning_rate 0.003" in (mine/"runs.csv").read_text()


def test_the_panel_watches_the_old_task_and_stops_early(mine, tiny):
    panel = experiment(load_task(EXAMPLE_CSV), estimator=FineTunedClassifier(tiny), hparams=HParams(learning_rate=1e-2, num_train_epochs=6, per_device_train_batch_size=8),
                       controls=("early_stopping",), old_task=True).set(early_stopping=1).run(wait=True)
    assert panel.runs["old task's loss"].notna().all() and panel.plot.value.count("<svg") == 2


def test_a_rate_that_diverges_gets_its_sentence(mine, small, monkeypatch):
    import torch
    panel = small()
    monkeypatch.setattr("ft_course.training.classification_loss", lambda model, batch: sum(p.sum() for p in model.parameters())*torch.nan)
    assert "is too high for this model" in panel.run(wait=True)._said and not len(panel.runs)
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
    with pytest.raises(ValueError, match="'learning_rat', which is no setting.*learning_rate"): experiment(task, estimator=FineTunedClassifier(tiny), controls=("learning_rat",))
    panel = experiment(task, LastLayers(2), estimator=FineTunedClassifier(tiny), name="x")
    assert panel.controls["k"].max == 2
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


def test_labels_resume_and_undo(mine):
    texts, labels = ["Shares fall", "Cup final", "A new phone"], ["business", "sports", "tech"]
    first = label(texts, labels, "*business*: firms", "mine.csv")
    assert not (mine/"mine.csv").exists()
    first.field.value = "bs"
    assert first.table["label"].tolist() == ["business", "sports"]
    first.field.value = "b"
    first.field.value = "bz"
    assert "stands for no label" in first.status.value and first.table["label"].tolist() == ["business"]
    again = label(texts, labels, file="mine.csv").answer("")
    again.undo()
    again.undo()
    assert again.table.empty and "nothing to take back" in again.undo().status.value
    for text in labels: again.answer(text)
    assert "All done" in again.text.value and again.answer("tech").table["label"].tolist() == labels
    with pytest.raises(CourseError, match="labels of other texts"): label(["Other", "texts", "here"], labels, file="mine.csv")
    (mine/"mine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CourseError, match="not a labelling file"): label(texts, labels, file="mine.csv")
    with pytest.raises(ValueError, match="did you mean 'sports'"): first.answer("sport")


def test_bars_are_for_the_main_thread_only():
    from ft_course.core import progress
    seen = []
    thread = threading.Thread(target=lambda: seen.append(progress(range(3)).disable))
    thread.start(); thread.join()
    assert seen == [True] and not progress(range(3)).disable
