"Dropout rates that are set and put back, and the flattery of choosing."
import numpy as np
import pytest
import torch
from torch import nn

from ft_course.regularization import DropoutRate, chosen_and_fresh, optimism_of_choosing
from ft_course.estimators import FineTunedClassifier
from ft_course.training import Callback, Full, HParams, train

ONE_STEP = HParams(max_steps=1, per_device_train_batch_size=8)


class Looks(Callback):
    "What the network's dropout does at the first step."
    def on_train_begin(self, run):
        self.dropouts = [m for m in run.model.modules() if isinstance(m, nn.Dropout)]
        self.rates = {m.p for m in self.dropouts}
        self.zeroed = [(m(torch.ones(200, 200)) == 0).float().mean().item() for m in self.dropouts if m.train()]


def rates(model): return [m.p for m in model.modules() if isinstance(m, nn.Dropout)]


@pytest.mark.parametrize("p", [0., .3, .9])
def test_rates_are_set_for_the_run_and_put_back(tiny, messages, p):
    looks = Looks()
    model = FineTunedClassifier(tiny, Full(), ONE_STEP, callbacks=[DropoutRate(p), looks]).fit(*messages)
    assert looks.dropouts and looks.rates == {p}
    np.testing.assert_allclose(looks.zeroed, p, atol=.02)   # it really is that share that goes
    assert set(rates(model.model_)) == {.1}                  # BertConfig's default


def test_a_failing_run_gets_its_rates_back(tiny, messages):
    from ft_course.models import load_classifier
    class Fails(Callback):
        def on_step_end(self, run): raise RuntimeError("broken")
    model = load_classifier(tiny, ["a", "b"])
    modules = [m for m in model.modules() if isinstance(m, nn.Dropout)]
    rows = [{"input_ids": [101, 2009, 102], "labels": i % 2} for i in range(8)]
    with pytest.raises(RuntimeError, match="broken"): train(model, rows, ONE_STEP, callbacks=[DropoutRate(.5), Fails()], device="cpu")
    assert {m.p for m in modules} == {.1} and set(rates(model)) == {.1}


def test_different_rates_in_one_network_come_back_each_to_its_own():
    model = nn.Sequential(nn.Dropout(.1), nn.Linear(2, 2), nn.Dropout(.4))
    run, hook = type("R", (), {"model": model})(), DropoutRate(.7)
    hook.on_train_end(run)                                   # a run that never began: nothing to put back
    hook.on_train_begin(run)
    assert rates(model) == [.7, .7]
    hook.on_train_end(run)
    assert rates(model) == [.1, .4]


def losses(tiny, messages, *callbacks, config=None):
    hparams = HParams(learning_rate=1e-3, max_steps=4, per_device_train_batch_size=8)
    model = FineTunedClassifier(config or tiny, Full(), hparams, callbacks=callbacks).fit(*messages)
    return [step["loss"] for step in model.history_["steps"]]


def test_rate_zero_equals_no_dropout_and_other_rates_do_not(tiny, messages, tmp_path):
    from transformers import AutoModel, AutoTokenizer
    without = AutoModel.from_pretrained(tiny, hidden_dropout_prob=0., attention_probs_dropout_prob=0.)
    without.save_pretrained(tmp_path); AutoTokenizer.from_pretrained(tiny).save_pretrained(tmp_path)
    none = losses(tiny, messages, config=str(tmp_path))
    np.testing.assert_allclose(losses(tiny, messages, DropoutRate(0.)), none, rtol=1e-5)
    for other in (losses(tiny, messages), losses(tiny, messages, DropoutRate(.5))): assert np.abs(np.subtract(other, none)).max() > 1e-4


def test_the_rate_of_the_configuration_changes_nothing(tiny, messages):
    np.testing.assert_allclose(losses(tiny, messages, DropoutRate(.1)), losses(tiny, messages), rtol=1e-6)


@pytest.mark.parametrize("p", [-.1, 1, 1.5, float("nan")])
def test_wrong_rates_are_refused(p):
    with pytest.raises(ValueError, match=r"0 or more, and below 1"): DropoutRate(p)


def test_optimism_is_the_expected_maximum_of_binomials():
    from scipy.stats import binom
    for n, k, accuracy in (100, 20, .8), (30, 3, .5), (300, 100, .9):
        at = np.arange(n + 1)
        exact = (1 - binom.cdf(at[:-1], n, accuracy)**k).sum() / n - accuracy     # E[max] = sum of P(max > x)
        assert optimism_of_choosing(n, k, accuracy) == pytest.approx(exact, abs=.003)
    assert optimism_of_choosing(100, 1) == pytest.approx(0, abs=.003) and optimism_of_choosing(50, 9, 1.) == 0
    assert optimism_of_choosing(40, 5, seed=1) == optimism_of_choosing(40, 5, seed=1) != optimism_of_choosing(40, 5, seed=2)


@pytest.mark.parametrize("wrong", [dict(n_items=0, n_models=2), dict(n_items=5, n_models=0), dict(n_items=5, n_models=2, accuracy=80)])
def test_optimism_refuses_what_makes_no_sense(wrong):
    with pytest.raises(ValueError, match="at least one item"): optimism_of_choosing(**wrong)


def test_chosen_and_fresh_of_equal_models_is_the_simulation():
    gaps = []
    for seed in range(30):
        scores = np.random.default_rng(seed).random((10, 2000)) < .8
        gaps.append(np.subtract(*chosen_and_fresh(scores, 100, n_draws=20, seed=seed)))
    assert np.mean(gaps) == pytest.approx(optimism_of_choosing(100, 10), abs=.01)


def test_chosen_and_fresh_is_exact_where_nothing_is_left_to_chance():
    right = np.array([[1]*10, [0]*10])
    assert chosen_and_fresh(right, 4) == (1., 1.)
    assert chosen_and_fresh(np.tile([.2, .4, .6], (1, 1)), 1, n_draws=3000) == pytest.approx((.4, .4), abs=.01)
    assert chosen_and_fresh(right, 4, n_models=1, n_draws=3000)[0] == pytest.approx(.5, abs=.03)


@pytest.mark.parametrize("n_items, n_models", [(0, 1), (10, 1), (3, 0), (3, 4)])
def test_chosen_and_fresh_needs_items_on_both_sides_and_models(n_items, n_models):
    with pytest.raises(ValueError, match="leave an item over"): chosen_and_fresh(np.ones((3, 10)), n_items, n_models)
