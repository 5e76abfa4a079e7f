"Dropout rates that are set and put back."
import numpy as np
import pytest
import torch
from torch import nn

from ft_course.regularization import DropoutRate
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
