"A search that was stopped, files of other searches, and a callback that must not touch the training it watches."
import math

import numpy as np
import pytest
import torch

from ft_course.core import CourseError
from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.hyperparameters import KnownBefore, matching_loss, search, sentence_vectors, suggest
from ft_course.models import load_classifier, load_tokenizer
from ft_course.estimators import FineTunedClassifier
from ft_course.training import Full, HeadOnly, HParams, LastLayers, layer_stack

QUICK = HParams(learning_rate=1e-3, num_train_epochs=2, per_device_train_batch_size=16)
SPACE = {"learning_rate": (1e-4, 1e-2), "num_train_epochs": (1, 2), "per_device_train_batch_size": [16, 32]}


@pytest.fixture(scope="module")
def task():
    return load_task(EXAMPLE_CSV).take(train=40)


def said(study):
    return [(t.params, t.value) for t in study.trials]


@pytest.mark.slow
def test_a_stopped_search_goes_on_as_it_would_have(tiny, task, tmp_path):
    whole = search(task, 6, tmp_path/"whole.db", SPACE, tiny)
    for n in (2, 2, 5, 6): stopped = search(task, n, tmp_path/"stopped.db", SPACE, tiny)
    assert said(stopped) == said(whole) and len(whole.trials) == 6
    assert len({str(params) for params, _ in said(whole)}) > 1
    assert whole.best_value == max(value for _, value in said(whole))


@pytest.mark.slow
def test_asking_for_fewer_trials_trains_nothing(tiny, task, tmp_path, monkeypatch):
    before = search(task, 2, tmp_path/"s.db", SPACE, tiny)
    monkeypatch.setattr(FineTunedClassifier, "fit", lambda *_, **__: pytest.fail("it trained"))
    assert said(search(task, 1, tmp_path/"s.db", SPACE, tiny)) == said(before)


@pytest.mark.slow
@pytest.mark.parametrize("other, what", [({"task": "fewer"}, "task"), ({"space": {"learning_rate": (1e-4, 1e-3)}}, "space"),
                                         ({"method": HeadOnly()}, "method"), ({"model": "minilm"}, "model")])
def test_the_file_of_another_search_is_refused(tiny, task, tmp_path, other, what):
    search(task, 1, tmp_path/"s.db", SPACE, tiny)
    given = {"task": task, "space": SPACE, "model": tiny, "method": Full()} | other
    if what == "task": given["task"] = task.take(train=20)
    with pytest.raises(CourseError, match=f"another {what}.*another file"):
        search(n_trials=2, file=tmp_path/"s.db", **given)
    assert len(search(task, 1, tmp_path/"s.db", SPACE, tiny).trials) == 1   # and left as it was


def test_unknown_hyperparameter_is_named_before_anything_is_written(tiny, task, tmp_path):
    with pytest.raises(ValueError, match="no hyperparameter 'learning_rat'.*did you mean 'learning_rate'"):
        search(task, 1, tmp_path/"s.db", {"learning_rat": (1e-4, 1e-3)}, tiny)
    assert not (tmp_path/"s.db").exists()


def test_a_trial_that_diverges_does_not_end_the_search(tiny, task, tmp_path, monkeypatch):
    fit, calls = FineTunedClassifier.fit, []
    def sometimes(self, *args):
        calls.append(1)
        if len(calls) == 1: raise CourseError("The loss became nan")
        return fit(self, *args)
    monkeypatch.setattr(FineTunedClassifier, "fit", sometimes)
    study = search(task, 2, tmp_path/"s.db", SPACE, tiny)
    assert [t.state.name for t in study.trials] == ["FAIL", "COMPLETE"]
    assert [t.state.name for t in search(task, 2, tmp_path/"s.db", SPACE, tiny).trials] == ["FAIL", "COMPLETE", "COMPLETE"]


def test_suggestions_keep_to_the_space():
    import optuna
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = {"learning_rate": (1e-6, 1e-2), "num_train_epochs": (1, 3), "weight_decay": (0., 1.), "warmup_steps": [0, .1]}
    drawn = [suggest(study.ask(), space) for _ in range(200)]
    rates = np.array([d["learning_rate"] for d in drawn])
    assert (1e-6 <= rates).all() and (rates <= 1e-2).all()
    assert .35 < (rates < 1e-4).mean() < .65                        # logarithmic: the middle is 1e-4
    assert {d["num_train_epochs"] for d in drawn} == {1, 2, 3} and {d["warmup_steps"] for d in drawn} == {0, .1}
    assert .35 < (np.array([d["weight_decay"] for d in drawn]) < .5).mean() < .65   # from 0 on: linear


def watched(tiny, messages, callbacks, method=Full(), validation=None):
    return FineTunedClassifier(tiny, method, QUICK, callbacks=callbacks).fit(*messages, validation=validation)


@pytest.mark.parametrize("method", [Full(), HeadOnly(), LastLayers(1)])
def test_watching_leaves_the_training_unchanged(tiny, messages, method):
    plain, seen = (watched(tiny, messages, c, method) for c in ((), (KnownBefore(20, tiny),)))
    assert plain.history_["steps"] == seen.history_["steps"]
    np.testing.assert_array_equal(plain.predict_proba(messages[0][:8]), seen.predict_proba(messages[0][:8]))
    assert not seen.model_.training and "forward" not in vars(layer_stack(seen.model_)[1][-1])


def test_it_measures_before_and_after_every_epoch(tiny, messages):
    steps = watched(tiny, messages, (KnownBefore(20, tiny),)).history_["epochs"]
    assert [e["epoch"] for e in steps] == [0, 1, 2] and [e["step"] for e in steps] == [0, 5, 10]
    assert all({"old_loss", "old_accuracy"} <= set(e) for e in steps) and steps[0]["old_loss"] != steps[2]["old_loss"]


def test_it_stands_beside_the_validation_scores(tiny, messages):
    some = [part[:10] for part in messages]
    for_both = watched(tiny, messages, (KnownBefore(20, tiny),), validation=some).history_["epochs"]
    assert [e["epoch"] for e in for_both] == [0, 1, 2]
    assert "validation_loss" not in for_both[0] and all({"old_loss", "validation_loss"} <= set(e) for e in for_both[1:])


def test_frozen_weights_forget_nothing_and_what_is_scored_is_the_encoder(tiny, messages):
    epochs = watched(tiny, messages, (KnownBefore(20, tiny),), HeadOnly()).history_["epochs"]
    assert epochs[0]["old_loss"] == epochs[-1]["old_loss"] and epochs[0]["old_accuracy"] == epochs[-1]["old_accuracy"]
    tokenizer, model = load_tokenizer(tiny), load_classifier(tiny, ["a", "b"]).eval()
    left, right = (sentence_vectors(model.base_model, tokenizer(texts[:20], truncation=True, max_length=64)["input_ids"], 0)
                   for texts in load_task("headline_writing").split("validation"))
    assert math.isclose(matching_loss(left, right), epochs[0]["old_loss"], rel_tol=1e-4)


def test_vectors_do_not_depend_on_their_neighbours(tiny):
    model = load_classifier(tiny, ["a", "b"]).eval()
    rows = [[101, 2000 + i, *[3000]*i, 102] for i in (0, 9, 3, 30)]
    together = sentence_vectors(model.base_model, rows, 0)
    alone = torch.cat([sentence_vectors(model.base_model, [row], 0) for row in rows])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(4))


def test_matching_loss_of_clear_cases():
    eye = torch.eye(5)
    assert math.isclose(matching_loss(eye, eye), math.log(1 + 4*math.exp(-20)), abs_tol=1e-6)
    same = torch.ones(5, 4) / 2
    assert math.isclose(matching_loss(same, same), math.log(5), rel_tol=1e-5)
    assert matching_loss(eye, eye.roll(1, 0)) > 19
