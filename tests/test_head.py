"How a classifier's head starts, how many epochs there are by default, what `fit` says of a run that did not learn."
import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ft_course.data import load_task
from ft_course.estimators import FineTunedClassifier
from ft_course.estimators.classifier import not_learnt
from ft_course.estimators.head import as_sure_as_right, features, output_layer, start_from_probe
from ft_course.models import FAMILIES, load_classifier, load_tokenizer
from ft_course.models import tiny as tiny_model
from ft_course.training import Full, HeadOnly, HParams, Labels, epochs_of

TEXTS = [f"{word} number {n}" for n in range(12) for word in ("rain", "debt", "goal")]
LABELS = ["weather", "money", "sport"]*12
UNTRAINED = HParams(num_train_epochs=0, max_length=32)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("n_labels", [2, 3])
def test_the_head_is_a_logistic_regression_on_the_models_own_features(family, n_labels, tmp_path):
    "With so many labels as words, the untouched body and the probe sort what a new head cannot; bodies stay as they are."
    base = tiny_model(family, tmp_path/family)
    keep = [i for i, label in enumerate(LABELS) if n_labels == 3 or label != "sport"]
    texts, labels = [TEXTS[i] for i in keep], [LABELS[i] for i in keep]
    probed, random = (FineTunedClassifier(base, Full(), UNTRAINED, head=head).fit(texts, labels) for head in ("probe", "random"))
    layer = output_layer(probed.model_, n_labels)
    for (name, a), (_, b) in zip(probed.model_.named_parameters(), random.model_.named_parameters()):
        assert torch.equal(a, b) == (not any(a is p for p in layer.parameters())), name
    rows = Labels().rows(probed.tokenizer_, texts, max_length=32)
    x = features(probed.model_, layer, rows, probed.tokenizer_.pad_token_id, "cpu")
    logits = x @ layer.weight.detach().numpy().T + (0 if layer.bias is None else layer.bias.detach().numpy())
    np.testing.assert_allclose(probed.logits(texts), logits, atol=1e-4)
    score = lambda model: np.mean(model.predict(texts) == np.array(labels))
    assert score(probed) > .9 > score(random)


@pytest.mark.parametrize("weight", [None, {"a": 9, "b": 1, "c": 1}], ids=["plain", "weighted"])
def test_written_by_hand_it_is_scikit_learns(tiny, weight):
    "The direction of scikit-learn's coefficients on features of variance 1, rows counted by their labels' weights where there are some."
    tokenizer = load_tokenizer(tiny)
    model = load_classifier(tiny, ["a", "b", "c"], seed=0)
    codes, rows = np.array([0, 1, 2]*12), Labels().rows(tokenizer, TEXTS, max_length=32)
    for row, code in zip(rows, codes if weight else ()): row["weight"] = weight["abc"[code]]*3/11
    layer = output_layer(model, 3)
    x = features(model, layer, rows, tokenizer.pad_token_id, "cpu")
    start_from_probe(model, rows, codes, 3, tokenizer.pad_token_id, "cpu")
    got = layer.weight.detach().double().numpy()*(x.std(0) + 1e-6)
    close = [np.corrcoef(got.ravel(), LogisticRegression(C=C, max_iter=300, tol=1e-3)
                         .fit((x - x.mean(0))/(x.std(0) + 1e-6), codes, [r.get("weight", 1.) for r in rows]).coef_.ravel())[0, 1] for C in np.logspace(-4, 0, 5)]
    assert max(close) > 1 - 1e-6


@pytest.mark.parametrize("layers, bounded", [(1, True), (2, True), (3, True), (6, False)])
def test_where_all_texts_look_alike_the_head_is_no_steeper_than_is_safe(layers, bounded):
    "The first layers of MiniLM make nearly the same features of every text; weights of hundreds would tell them apart, and diverge."
    tokenizer, model = load_tokenizer("minilm"), load_classifier("minilm", ["a", "b", "c"], seed=0, layers=layers)
    rows, layer = Labels().rows(tokenizer, TEXTS, max_length=32), output_layer(model, 3)
    start_from_probe(model, rows, [0, 1, 2]*12, 3, tokenizer.pad_token_id, "cpu")
    x = features(model, layer, rows, tokenizer.pad_token_id, "cpu")
    steep = np.linalg.norm(layer.weight.detach().double().numpy(), 2)*np.sqrt((x**2).sum(1).mean())
    assert steep == pytest.approx(50, rel=1e-4) if bounded else 1 < steep < 25
    shares = torch.tensor(x.mean(0)).float() @ layer.weight.T + layer.bias   # the mean text is answered by the labels' shares
    assert shares.std() < .1


@pytest.mark.slow
def test_a_cut_network_learns_from_its_probe():
    texts, labels = (list(column)[:600] for column in load_task("airline").split("train"))
    model = FineTunedClassifier("minilm", hparams=HParams(num_train_epochs=2, learning_rate=1e-4, max_length=32), layers=1).fit(texts, labels)
    assert max(step["loss"] for step in model.history_["steps"]) < 3   # it was 110


def test_a_probe_is_as_sure_as_it_is_right():
    logits, codes = np.array([[9., 0], [0, 9.], [8., 0]]), np.array([0, 1, 0])
    share = as_sure_as_right(logits, codes, .5)
    assert np.log1p(np.exp(-share*np.array([9, 9, 8]))).mean() == pytest.approx(.5)
    assert as_sure_as_right(logits, codes, 0.) == 1 == as_sure_as_right(logits, codes, 9.)   # surer it is not made, nor turned round


@pytest.mark.parametrize("labels", [["a"] + ["b"]*11, ["a", "b"]*6, [*"abcdefghijkl"], ["a"]*2 + ["b"]*9 + ["c"]],
                         ids=["one of a label", "even", "one of each", "rare ones"])
def test_any_number_of_rows_a_label(tiny, labels):
    model = FineTunedClassifier(tiny, HeadOnly(), UNTRAINED).fit(TEXTS[:12], labels)
    assert np.isfinite(model.predict_proba(TEXTS)).all() and model.predict_proba(TEXTS).shape == (36, len(set(labels)))


def test_the_same_seed_gives_the_same_head(tiny):
    first, second = (FineTunedClassifier(tiny, hparams=UNTRAINED).fit(TEXTS, LABELS).decision_function(TEXTS) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_saved_head_is_kept(tiny, tmp_path):
    hparams = HParams(learning_rate=3e-3, num_train_epochs=2, max_length=32)
    FineTunedClassifier(tiny, hparams=hparams).fit(TEXTS, LABELS).save(tmp_path/"first", merged=True)
    kept = FineTunedClassifier(str(tmp_path/"first"), hparams=UNTRAINED, head="keep").fit(TEXTS, LABELS)
    np.testing.assert_allclose(kept.decision_function(TEXTS), FineTunedClassifier.load(tmp_path/"first").decision_function(TEXTS), atol=1e-6)
    with pytest.raises(ValueError, match="head='kept': it has to be one of probe, random, keep"):
        FineTunedClassifier(tiny, head="kept").fit(TEXTS, LABELS)
    for model, labels in ((tiny, LABELS), (str(tmp_path/"first"), ["a", "b", "c"]*12)):
        with pytest.raises(ValueError, match="no head for the labels"): FineTunedClassifier(model, head="keep").fit(TEXTS, labels)


def test_default_epochs_make_two_hundred_steps():
    got = {n: epochs_of(HParams(), n) for n in (40, 319, 320, 400, 1000, 1310, 4000)}
    assert got == {40: 67, 319: 10, 320: 10, 400: 8, 1000: 4, 1310: 3, 4000: 2}
    assert [epochs_of(HParams(), 1600, labels) for labels in (2, 20, 77, 150)] == [2, 2, 8, 15]   # ten steps a label
    assert epochs_of(HParams(num_train_epochs=0), 40) == 0 and epochs_of(HParams(num_train_epochs=5), 4000) == 5


def test_few_rows_are_named(tiny):
    texts, labels = [f"{word} {i}" for i in range(16) for word in ("good", "bad")], ["g", "b"]*16
    short = HParams(max_steps=2, max_length=16)
    with pytest.warns(UserWarning, match="30 rows for 2 labels are few: a logistic regression on the frozen encoder"):
        FineTunedClassifier(tiny, hparams=short).fit(texts[:30], labels[:30])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FineTunedClassifier(tiny, hparams=short).fit(texts, labels)
        FineTunedClassifier(tiny, hparams=UNTRAINED).fit(texts[:8], labels[:8])


def steps(*losses): return [{"loss": loss} for loss in losses]


def test_a_run_that_did_not_learn_is_named(tiny):
    two = np.array([0, 1]*10)   # guessing: .693 nats
    assert "went up, from 0.50 to 3.00" in not_learnt(steps(*np.linspace(.5, .5, 10), *[3.]*10), two, .00015)
    assert "Hardly anything was learnt: the loss ends at 0.69" in not_learnt(steps(*[.7]*10, *[.69]*10), two, .00015)
    assert "still falling" in not_learnt(steps(*np.linspace(.7, .25, 20)), two, .00015)
    assert not_learnt(steps(*np.geomspace(.7, .01, 20)), two, .00015) == "" == not_learnt(steps(.7, .7), two, .00015)
    assert "the learning rate 0.00015 is too high" in not_learnt(steps(*[.5]*10, *[3.]*10), two, .00015)   # as it was given
    skewed = np.array([0]*49 + [1])   # guessing: .098 nats
    assert "Hardly anything" in not_learnt(steps(*[.11]*10, *[.1]*10), skewed, .1) and not not_learnt(steps(*[.11]*10, *[.02]*10), skewed, .1)
    even = np.where(skewed, 25., 25/49)   # balanced, guessing has .693 again
    assert "guessing by the labels' shares has 0.69" in not_learnt(steps(*[.69]*20), skewed, .1, even)
    with pytest.warns(UserWarning, match="The loss went up|Hardly anything"):
        FineTunedClassifier(tiny, hparams=HParams(learning_rate=5., num_train_epochs=10, max_length=32, weight_decay=0.)).fit(TEXTS, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FineTunedClassifier(tiny, hparams=HParams(learning_rate=3e-3, num_train_epochs=20, max_length=32)).fit(2*TEXTS, 2*LABELS)
