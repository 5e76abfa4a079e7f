"Metrics equal to the libraries', intervals that cover, stored runs that are what they say."
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from conftest import blocked_env
from sklearn.dummy import DummyClassifier
from sklearn.metrics import f1_score

from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.evaluation import (EVALUATE_METRIC, METRICS, Interval, Metric, _p_value, _redrawn, redrawn_scores, accuracy, answers_with_confidence,
                                  balanced_accuracy, bleu, calibration_error, compare, exact_match, get_metric, holm, interval, items_needed, macro_f1,
                                  more_items, perplexity, reliability, rouge_l, token_f1, verdict)


def tfidf():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    return make_pipeline(TfidfVectorizer(), LogisticRegression())


# Metrics

def rouge_by_hand(reference, prediction):
    a, b = (re.findall(r"[^\W_]+", text.lower()) for text in (reference, prediction))
    lengths = np.zeros((len(a) + 1, len(b) + 1))
    for i, j in np.ndindex(len(a), len(b)): lengths[i+1, j+1] = lengths[i, j] + 1 if a[i] == b[j] else max(lengths[i, j+1], lengths[i+1, j])
    return 2*lengths[-1, -1] / (len(a) + len(b)) if lengths[-1, -1] else 0.


def bleu_by_hand(references, predictions, max_n=4):
    def ngrams(words, n): return Counter(zip(*(words[i:] for i in range(n))))
    pairs, logs = [(r.split(), p.split()) for r, p in zip(references, predictions)], []
    for n in range(1, max_n + 1):
        shared = sum(sum((ngrams(r, n) & ngrams(p, n)).values()) for r, p in pairs)
        if not shared: return 0.
        logs.append(math.log(shared / sum(max(0, len(p) - n + 1) for _, p in pairs)))
    wanted, written = (sum(len(pair[side]) for pair in pairs) for side in (0, 1))
    return math.exp(min(0, 1 - wanted/written) + sum(logs)/max_n)


def test_scores_of_texts_by_hand():
    rng = np.random.default_rng(0)
    def text(): return " ".join(rng.choice(["a", "B", "the", "c5", "é", "—", "it's", "", "x.", "£5m"], rng.integers(12)))
    heads = load_task("headline_writing").split("train")[1]
    sets = [([heads[i] for i in some], [heads[i] + " " + heads[j][:15] if k else heads[j] for i, j, k in zip(some, some[::-1], some % 2)]) for some in rng.integers(500, size=(20, 15))]
    for _ in range(200):
        references = [text() for _ in range(rng.integers(1, 6))]
        sets.append((references, [r if rng.random() < .3 else r + " " + text() if rng.random() < .5 else text() for r in references]))
    for references, predictions in [*sets, ([""], [""]), (["", "word"], ["word", ""]), (["It's £5m!"], ["it s 5m"]), (["a b c d"], ["a b c"])]:
        np.testing.assert_allclose(rouge_l(references, predictions), [rouge_by_hand(r, p) for r, p in zip(references, predictions)], atol=1e-9)
        for max_n in (1, 4): assert bleu(references, predictions, max_n) == pytest.approx(bleu_by_hand(references, predictions, max_n), abs=1e-9)
    assert bleu(["a b c d"], ["a b c d"]) == 1 and bleu(np.array(["a b c d"]), ["a b c"]) == 0 and bleu(["a"], ["b"]) == 0
    assert bleu(["the cat sat"], ["the the the"], max_n=1) == pytest.approx(1/3)


def test_answers_are_compared_as_squad_does():
    assert exact_match(["The cat.", "a dog", "", "it"], ["cat", "dog!", "the", "them"]).tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(token_f1(["the big cat", "cat cat", "", "x"], ["a cat", "cat", "", "y"]), [2/3, 2/3, 1, 0])
    assert perplexity(np.log([2, 8])) == pytest.approx(4)
    with pytest.raises(ValueError, match="no losses"): perplexity([])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("labels", [list("abcd"), [3, 1, 2, 7], [0., 1.5, 2., 9.], [True, False, True, False]])
def test_scores_of_labels_by_hand(labels):
    "Also with one item, one label, labels that are only predicted, and labels that are never predicted."
    rng = np.random.default_rng(0)
    for n in (1, 5, 60, 400):
        for _ in range(10):
            true, predicted = rng.choice(labels[:rng.integers(1, 4)], n), rng.choice(labels[1:] if rng.random() < .5 else labels[:rng.integers(1, 5)], n)
            names = np.unique(np.concatenate([true, predicted]))
            counts = np.array([[((true == a) & (predicted == b)).sum() for b in names] for a in names])
            hits, is_it, called = np.diag(counts), counts.sum(1), counts.sum(0)
            assert accuracy(true, predicted) == pytest.approx(np.mean(true == predicted), abs=1e-12)
            assert macro_f1(true, predicted) == pytest.approx(np.mean(2*hits / (is_it + called)), abs=1e-12)
            assert balanced_accuracy(true, predicted) == pytest.approx(np.mean((hits / np.maximum(1, is_it))[is_it > 0]), abs=1e-12)


def test_one_table_of_metrics():
    assert {name for name, m in METRICS.items() if not m.higher_is_better} == {"loss", "perplexity", "calibration_error"}
    assert {name for name, m in METRICS.items() if m.kind == "answers"} - {"contains"} == {"rouge_l", "bleu", "exact_match", "token_f1", "loss", "perplexity"}   # chapter 10 adds one
    assert all(m.name == name for name, m in METRICS.items())
    assert get_metric("macro_f1") is get_metric(macro_f1) is get_metric(METRICS["macro_f1"])
    def gain(references, predictions): return 1.
    assert get_metric(gain).name == "gain" and get_metric(gain).higher_is_better
    with pytest.raises(FrozenInstanceError): METRICS["loss"].higher_is_better = True
    assert METRICS["token_f1"](["a cat", "x"], ["cat", "y"]) == .5 and METRICS["perplexity"](None, np.log([2, 8])) == pytest.approx(4)


def test_scores_an_item_get_the_quick_interval():
    references, predictions = ["the big cat", "dog", "it"]*20, ["a cat", "dog", "them"]*20
    quick = interval(references, predictions, "token_f1", n_draws=200)
    slow = interval(references, predictions, lambda r, p: token_f1(r, p).mean(), n_draws=200)
    np.testing.assert_allclose([quick.value, quick.low, quick.high], [slow.value, slow.low, slow.high], rtol=.005)   # one number is not known to be a mean
    losses = np.random.default_rng(0).random((2, 200))
    assert interval(np.zeros(200), losses, "perplexity").value == pytest.approx(np.exp(losses.mean(1)).mean())
    lower = Metric("cost", lambda r, p: np.asarray(r != p, float), higher_is_better=False)
    assert interval(np.array(["a", "b"]*50), np.array(["a", "a"]*50), lower).value == .5


@pytest.mark.parametrize("metric", ["weighted_f1", "mean", "calibration_error"])
def test_a_task_refuses_a_metric_that_it_cannot_have(metric):
    rows, wanted = [("a text", "yes")], "there is no metric 'weighted_f1'.*give one of accuracy" if metric == "weighted_f1" else "scores numbers"
    with pytest.raises(ValueError, match=wanted): load_task(rows, metric=metric)
    with pytest.raises(ValueError, match=wanted): replace(load_task(EXAMPLE_CSV), metric=metric)


def test_a_task_keeps_the_name_of_its_metric():
    assert load_task(EXAMPLE_CSV, metric=accuracy).metric == load_task(EXAMPLE_CSV, metric=METRICS["accuracy"]).metric == "accuracy"
    def gain(references, predictions): return float(np.mean(references == predictions))
    one = compare({"majority": DummyClassifier()}, load_task(EXAMPLE_CSV, metric=gain))
    assert one.task.metric is gain and one.table().columns[1:3].tolist() == ["gain", "accuracy"]


def test_reliability_is_the_librarys():
    from sklearn.calibration import calibration_curve
    rng = np.random.default_rng(0)
    for n, bins in [(500, 10), (300, 5)]:
        confidence = rng.random(n)
        correct = rng.random(n) < confidence**2
        share, mean = calibration_curve(correct, confidence, n_bins=bins, strategy="quantile")
        table = reliability(correct, confidence, bins)
        np.testing.assert_allclose(table["accuracy"], share)
        np.testing.assert_allclose(table["confidence"], mean)
        assert calibration_error(correct, confidence, bins) == pytest.approx(np.mean(abs(share - mean)))   # equally many in each group
    assert calibration_error([1, 1, 0, 0], [.5]*4, 1) == 0 and reliability([1, 0], [.2, .3])["items"].tolist() == [1, 1]
    with pytest.raises(ValueError, match="between 0 and 1"): calibration_error([1, 0], [.3, 1.2])


@pytest.mark.parametrize("metric", [accuracy, macro_f1, balanced_accuracy, exact_match, token_f1, rouge_l, bleu, calibration_error])
def test_wrong_input_gets_a_sentence(metric):
    with pytest.raises(ValueError, match="2 references and 1 predictions: a metric needs one of each"):
        metric([.5, .5] if metric is calibration_error else ["a", "b"], [.5] if metric is calibration_error else ["a"])
    with pytest.raises(ValueError, match="no items to score"): metric([], [])


def test_numbers_are_not_compared_with_texts():
    with pytest.raises(ValueError, match="turn one of them"): accuracy([1, 0], ["1", "0"])
    with pytest.raises(ValueError, match="turn one of them"): interval([1, 0], ["1", "0"])


# Intervals

def _covered(simulate, metric, truth, n_worlds=1000):
    rng, hits = np.random.default_rng(1), 0
    for i in range(n_worlds):
        got = interval(*simulate(rng), metric=metric, n_draws=500, seed=i)
        hits += got.low <= truth <= got.high
    return hits/n_worlds


def _answers(rng, true, right, n_labels=3):
    "Right with the label's own probability, otherwise the next label."
    return np.where(rng.random(len(true)) < np.asarray(right)[true], true, (true + 1) % n_labels)


@pytest.mark.slow
def test_95_percent_interval_of_accuracy_covers_95_percent():
    coverage = _covered(lambda rng: (np.ones(250, int), (rng.random(250) < .8).astype(int)), "accuracy", .8)
    assert .93 <= coverage <= .97, coverage


@pytest.mark.slow
def test_95_percent_interval_of_macro_f1_covers_95_percent():
    share, right = np.array([.6, .25, .15]), np.array([.85, .7, .6])
    hits, called = share*right, share*right + np.roll(share*(1 - right), 1)
    truth = np.mean(2*hits / (share + called))
    def simulate(rng):
        true = rng.choice(3, 300, p=share)
        return true, _answers(rng, true, right)
    big = np.random.default_rng(0).choice(3, 400_000, p=share)
    assert macro_f1(big, _answers(np.random.default_rng(2), big, right)) == pytest.approx(truth, abs=.003)
    coverage = _covered(simulate, "macro_f1", truth)
    assert .93 <= coverage <= .97, coverage


@pytest.mark.slow
def test_95_percent_interval_of_a_paired_difference_covers_95_percent():
    rng, hits = np.random.default_rng(1), 0
    for i in range(1000):
        hardness, own = rng.random(300), rng.random((2, 300)) < .3
        right = np.where(own, rng.random((2, 300)), hardness) < np.array([[.84], [.8]])
        got = interval(np.ones(300, int), right[0].astype(int), "accuracy", against=right[1].astype(int), n_draws=500, seed=i)
        hits += got.low <= .04 <= got.high
    assert .93 <= hits/1000 <= .97, hits


@pytest.mark.parametrize("spread", [0, .01, .03, .08])
@pytest.mark.slow
def test_95_percent_interval_over_items_and_three_runs_covers_95_percent(spread):
    rng, hits = np.random.default_rng(3), 0
    for i in range(1000):
        skill = np.clip(.8 + spread*rng.standard_normal(3), 0, 1)
        right = np.where(rng.random((3, 300)) < .3, rng.random((3, 300)), rng.random(300)) < skill[:, None]
        got = interval(np.ones(300, int), right.astype(int), "accuracy", n_draws=400, seed=i)
        hits += got.low <= .8 <= got.high
    assert .93 <= hits/1000 <= .97, hits


def test_paired_interval_of_a_difference():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, 400)
    base = np.where(rng.random(400) < .7, true, 1 - true)
    better = base.copy(); better[:30] = true[:30]
    paired = interval(true, better, "accuracy", against=base)
    assert paired.value == pytest.approx(np.mean(better == true) - np.mean(base == true)) and paired.covers == "test items only"
    assert interval(true, [better, base], "accuracy").covers == "test items and seeds"
    unpaired = math.hypot(*(np.ptp([i.low, i.high]) for i in (interval(true, better, "accuracy"), interval(true, base, "accuracy"))))
    assert paired.high - paired.low < .6*unpaired and paired.p_value < .05 and paired.excludes_zero()
    turned = -paired
    assert (turned.low, turned.value, turned.high) == (-paired.high, -paired.value, -paired.low) and verdict(turned) == "worse"
    with pytest.raises(ValueError, match="same items"): interval(true, better[:10])
    with pytest.raises(ValueError, match="same items"): interval(true, better, against=base[:10])


@pytest.mark.parametrize("name,function", [("accuracy", accuracy), ("macro_f1", macro_f1), ("balanced_accuracy", balanced_accuracy)])
def test_any_function_is_a_metric(name, function):
    "The quick way by sums and the general one by calls redraw the same test sets and give the same interval."
    rng = np.random.default_rng(0)
    true, a = rng.choice(list("abc"), 120, p=[.8, .15, .05]), rng.choice(list("abd"), (2, 120))
    b = np.where(rng.random(120) < .5, true, a[0])
    for against in (None, b):
        quick = interval(true, a, name, against, n_draws=50)
        general = interval(true, a, lambda r, p: function(r, p), against, n_draws=50)
        same = {"rtol": 1e-12} if name != "accuracy" else {"atol": .01}   # of a function it is not known that it gives a mean
        np.testing.assert_allclose([quick.value, quick.low, quick.high, quick.item_half], [general.value, general.low, general.high, general.item_half], **same)
    assert interval(true, b, lambda r, p: float(np.mean(r == "c")), n_draws=100).value == pytest.approx(np.mean(true == "c"))


def test_redrawn_scores_tie_with_the_truth():
    "17 right answers in 20 are .85 and nothing beside it, so a true accuracy of .85 at an interval's end lies in it."
    ones, exact = np.ones(20, int), np.arange(21)/20
    assert np.isin(redrawn_scores(ones, [np.arange(20) < 17], "accuracy", 500, 0), exact).all()
    runs = [np.roll(np.arange(30) < 25, k).astype(int) for k in (0, 7, 11)]
    same = interval(np.ones(30, int), runs, "accuracy", against=runs[::-1], n_draws=200)
    assert abs(same.value) < 1e-12 and same.item_half < 1e-12


def test_texts_and_scores_are_redrawn_too():
    heads = load_task("headline_writing").split("train")[1][:40]
    assert interval(heads, [h + " again" for h in heads], "bleu", n_draws=50).value == pytest.approx(bleu(heads, [h + " again" for h in heads]))
    scores = np.random.default_rng(0).random((3, 200)) + [[0], [.1], [.3]]
    got = interval(np.zeros(200), scores, "mean")
    assert got.value == pytest.approx(scores.mean()) and got.low < got.value < got.high and got.run_half > 0


def test_unknown_metric_and_empty_input():
    with pytest.raises(ValueError, match=r"no metric 'macro_f2' \(did you mean 'macro_f1'\?\)"): interval(["a"], ["a"], "macro_f2")
    with pytest.raises(ValueError, match="no items to score"): interval([], [])


def test_macro_f1_of_2000_items_takes_about_a_second():
    rng = np.random.default_rng(0)
    true, predicted = rng.choice(list("abcde"), 2000), rng.choice(list("abcde"), 2000)
    start = time.perf_counter()
    interval(true, predicted)
    assert time.perf_counter() - start < 3   # about .3 s on a quiet machine


def test_blocks_of_draws_are_all_there():
    assert sum(len(block) for block in _redrawn(1_500_000, 7, 0)) == 7 and [b.shape for b in _redrawn(10, 3, 0)] == [(3, 10)]


# Verdicts, items, Holm

def test_verdicts():
    def made(low, high, **more): return Interval((low + high)/2, low, high, "test items only", **more)
    assert [verdict(made(*ends)) for ends in [(.01, .02), (-.02, -.01), (-.005, .005), (-.005, .02)]] == ["better", "worse", "the same within the margin", "cannot tell"]
    assert verdict(made(-.04, .04), margin=.05) == "the same within the margin"
    assert verdict(made(.001, .02), p_value=.2) == "cannot tell" and verdict(made(.001, .008), p_value=.2) == "the same within the margin"
    assert verdict(made(-.01, .03, n_items=500, item_half=.02), advise=True) == "cannot tell: about 7,500 more items"   # .02 -> .005 is 16 times as many
    assert verdict(made(-.02, .04, n_items=500, item_half=.02, run_half=.025), advise=True) == "cannot tell: more runs first"


def test_items_needed_by_simulation():
    rng = np.random.default_rng(0)
    for difference, disagree, power in [(.03, .1, .8), (.05, .2, .9)]:
        n = items_needed(difference, np.sqrt(disagree - difference**2), power)
        wins, losses, _ = rng.multinomial(n, [(disagree + difference)/2, (disagree - difference)/2, 1 - disagree], size=4000).T
        mean = (wins - losses)/n
        seen = mean > 1.96*np.sqrt(((wins + losses)/n - mean**2)/n)
        assert seen.mean() == pytest.approx(power, abs=.025)
    assert items_needed(.01, .3) == pytest.approx(4*items_needed(.02, .3), rel=.01) and items_needed(-.02, .3) == items_needed(.02, .3)
    for wrong in [(0, .3), (.1, .3, 1.)]:
        with pytest.raises(ValueError, match="power between 0 and 1"): items_needed(*wrong)


def test_more_items_settle_it():
    "With as many items as `more_items` asks for, a difference as large as the measured one is seen about four times in five."
    rng, difference, disagree = np.random.default_rng(0), .04, .15
    def draw(n):
        kind = rng.choice(3, n, p=[(disagree + difference)/2, (disagree - difference)/2, 1 - disagree])
        return interval(np.ones(n, int), (kind != 1).astype(int), "accuracy", against=(kind != 0).astype(int), n_draws=400)
    small = Interval(difference, -.01, .09, "test items only", n_items=200, item_half=1.96*np.sqrt((disagree - difference**2)/200))
    n = int(200 + more_items(small))
    assert n == pytest.approx(items_needed(difference, np.sqrt(disagree - difference**2)), rel=.02)
    assert np.mean([verdict(draw(n)) == "better" for _ in range(200)]) == pytest.approx(.8, abs=.09)


def test_holm_by_a_worked_example():
    # m = 5, sorted: .001*5, .01*4, .02*3, .04*2, .2*1
    np.testing.assert_allclose(holm([.02, .001, .2, .01, .04]), [.06, .005, .2, .04, .08])
    np.testing.assert_allclose(holm([.01, .04, .03, .005]), [.03, .06, .06, .02])
    np.testing.assert_allclose(holm([.6, .7]), [1, 1])
    assert holm([]).shape == (0,) and holm([.03]) == pytest.approx([.03])


def test_p_value_agrees_with_the_interval():
    rng, agree = np.random.default_rng(0), 0
    for i in range(200):
        gain = rng.normal(.02, .05)
        got = interval(np.zeros(80), rng.normal(gain, .2, 80), "mean", against=np.zeros(80), n_draws=400, seed=i)
        agree += (got.p_value <= .05) == got.excludes_zero()
    assert agree >= 197 and _p_value(np.zeros(100)) == 1 and _p_value(np.ones(1999)) == .001


def test_table_says_its_verdicts_after_holm():
    task, rng = load_task("headlines"), np.random.default_rng(0)
    true = np.array(task.split("test")[1])
    base = np.where(rng.random(500) < .7, true, "tech")
    rows = {"old": base, "new": np.where(np.arange(500) % 4 == 0, true, base), "twin": base}
    rows |= {f"other {i}": np.where(rng.random(500) < .03, rng.permutation(true), base) for i in range(8)}
    from ft_course.evaluation import Comparison
    made = Comparison(task, {row: [{"predictions": list(p), "fit_seconds": 0, "answer_seconds": 0, "ids": task.data["test"]["id"]}] for row, p in rows.items()}, (), true)
    table = made.table(against="old")
    assert table["verdict (Holm)"]["new"] == "better" and table["verdict (Holm)"]["old"] == "" and table["verdict (Holm)"]["twin"] == "the same within the margin"
    alone = [made.interval(row, against="old").p_value for row in rows if row != "old"]
    found = [v in ("better", "worse") for v in made.verdicts("old").values()]
    assert found == [p <= .05 for p in holm(alone)]
    with pytest.raises(ValueError, match=r"no row 'nwe' \(did you mean 'new'\?\)"): made.interval("nwe")
    with pytest.raises(ValueError, match="hold no confidence"): made.confidences("new")
    assert made.errors("new")["confidence"].isna().all()


def test_a_lower_loss_is_better():
    from ft_course.results import stored
    writing = stored("headline_writing")
    assert writing.interval("fine-tuned", "loss", against="before").high < 0
    assert writing.verdicts("before", "loss") == {"fine-tuned": "better"}


# Runs and records

def test_confidence_belongs_to_the_answer(tiny, messages):
    from ft_course.estimators import FineTunedClassifier
    from ft_course.training import HParams
    from sklearn.model_selection import GridSearchCV
    texts, labels = messages
    tuned = FineTunedClassifier(tiny, hparams=HParams(num_train_epochs=1, learning_rate=1e-3))
    for model in (tfidf(), tuned, DummyClassifier(), DummyClassifier(strategy="uniform", random_state=0), GridSearchCV(tfidf(), {"logisticregression__C": [1, 10]}, cv=2)):
        model.fit(texts, labels)
        answers, confidence = answers_with_confidence(model, texts)
        np.testing.assert_array_equal(answers, model.predict(texts))
        probabilities = model.predict_proba(texts)
        np.testing.assert_allclose(confidence, [p[list(model.classes_).index(a)] for p, a in zip(probabilities, answers)], atol=1e-6)


def test_probabilities_cost_no_second_look(messages, tiny, monkeypatch):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from ft_course.estimators import FineTunedClassifier
    from ft_course.training import HParams
    texts, labels = messages
    looks = []
    def slow(texts): looks.append(len(texts)); return np.array([[len(t), t.count(" ")] for t in texts], float)
    model = make_pipeline(FunctionTransformer(slow), LogisticRegression(max_iter=5000)).fit(texts, labels)
    looks.clear()
    answers_with_confidence(model, texts)
    assert looks == [len(texts)]
    tuned, scored = FineTunedClassifier(tiny, hparams=HParams(num_train_epochs=0)).fit(texts, labels), FineTunedClassifier.logits
    monkeypatch.setattr(FineTunedClassifier, "logits", lambda self, texts: looks.append("network") or scored(self, texts))
    answers_with_confidence(tuned, texts)
    assert looks[1:] == ["network"]


def test_an_estimator_without_probabilities(messages):
    from sklearn.svm import LinearSVC
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    model = make_pipeline(TfidfVectorizer(), LinearSVC()).fit(*messages)
    answers, confidence = answers_with_confidence(model, messages[0])
    assert confidence is None and (answers == model.predict(messages[0])).all()
    one = compare({"SVC": make_pipeline(TfidfVectorizer(), LinearSVC())}, load_task(EXAMPLE_CSV))
    assert "confidence" not in one.records["SVC"][0]
    with pytest.raises(ValueError, match="its estimator gives none"): one.confidences("SVC")


def test_errors_are_the_wrong_items():
    task = load_task("headlines")
    made = compare({"TF-IDF": tfidf(), "random": DummyClassifier(strategy="uniform", random_state=0)}, task, seeds=(0, 1, 2))
    predictions, wrong = made.predictions("TF-IDF")[0], made.errors("TF-IDF")
    assert len(wrong) == (predictions != made.references).sum() and (wrong["runs_wrong"] == 1).all()
    assert wrong["confidence"].is_monotonic_decreasing and (wrong["reference"] != wrong["prediction"]).all()
    by_id = {i: (text, label) for i, text, label in zip(task.data["test"]["id"], *task.split("test"))}
    assert all(by_id[row.id] == (row.text, row.reference) for row in wrong.itertuples())
    assert made.confidences("TF-IDF").shape == (1, 500) and made.confidences("random").shape == (3, 500)
    several = made.errors("random")
    np.testing.assert_array_equal(np.bincount(several["runs_wrong"], minlength=4)[1:], np.bincount((made.predictions("random") != made.references).sum(0), minlength=4)[1:])
    assert (several["reference"] != several["prediction"]).all()


def test_stored_runs_are_not_repeated_and_go_stale(tmp_path):
    task = load_task("headlines")
    first = compare({"majority": DummyClassifier()}, task, store=tmp_path)
    file = next(tmp_path.rglob("*.json"))
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"fit_seconds": 123.}))
    assert compare({"majority": DummyClassifier()}, task, store=tmp_path).records["majority"][0]["fit_seconds"] == 123.
    other = compare({"majority": DummyClassifier(strategy="stratified", random_state=0)}, task, store=tmp_path, run=False)
    assert list(other.stale) == ["majority"] and any("strategy" in d for d in other.stale["majority"]) and "(stale)" in other.table().index[0]
    again = compare({"majority": DummyClassifier(strategy="prior")}, task, store=tmp_path)
    assert not again.stale and first.stale == {}
    with pytest.raises(ValueError, match="nothing is stored"): compare({"new": DummyClassifier()}, task, store=tmp_path, run=False)
    old = {k: v for k, v in json.loads(file.read_text()).items() if k != "confidence"}   # a record of an earlier version
    file.write_text(json.dumps(old))
    assert compare({"majority": DummyClassifier()}, task, store=tmp_path, run=False).errors("majority")["confidence"].isna().all()
    file.write_text("{half")
    with pytest.raises(ValueError, match="majority-seed0.json is no record"): compare({"majority": DummyClassifier()}, task, store=tmp_path)
    with pytest.raises(ValueError, match="'a b' and 'a-b' would share the file"): compare({"a b": DummyClassifier(), "a-b": DummyClassifier()}, task, store=tmp_path)


KILLED = """
import os, pathlib, sys, time
from sklearn.base import BaseEstimator
from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.evaluation import compare

class Slow(BaseEstimator):
    def __init__(self, name="", wait=0., log=None, random_state=None): self.name, self.wait, self.log, self.random_state = name, wait, log, random_state
    def fit(self, texts, labels):
        with open(self.log, "a") as f: f.write(f"{self.name}{self.random_state}\\n")
        time.sleep(60 if os.environ.get("STOP_AT") == f"{self.name}{self.random_state}" else 0)
        self.label_ = labels[0]
        return self
    def predict(self, texts): return [self.label_]*len(texts)

log, store = sys.argv[1:]
made = compare({n: Slow(n, log=log, random_state=0) for n in "abc"}, load_task(EXAMPLE_CSV), seeds=(0, 1), store=store)
print(sum(len(runs) for runs in made.records.values()), made.stale)
"""


def test_comparison_that_was_killed_goes_on_where_it_stood(tmp_path):
    script, log = tmp_path/"killed.py", tmp_path/"log"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(log), str(tmp_path/"store")]
    running = subprocess.Popen(command, env=blocked_env(STOP_AT="b1"))
    until = time.monotonic() + 60
    while time.monotonic() < until and not (log.is_file() and "b1" in log.read_text()): time.sleep(.05)
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    assert log.read_text().split() == ["a0", "a1", "b0", "b1"]
    resumed = subprocess.run(command, env=blocked_env(), capture_output=True, text=True, check=True)
    assert log.read_text().split() == ["a0", "a1", "b0", "b1", "b1", "c0", "c1"] and resumed.stdout.split() == ["6", "{}"]
    assert sorted(p.name for p in (tmp_path/"store").rglob("*") if p.is_file()) == [f"{n}-seed{s}.json" for n in "abc" for s in (0, 1)]


def test_stored_results_hold_no_texts(root):
    from ft_course.rag import article_texts
    from ft_course.retrieval.passages import sentences
    texts = {t for name in ("airline", "headline_writing") for t in load_task(name).split("test")[0]}
    texts |= {s for text in article_texts().values() for s in sentences(text) if len(s.split()) > 8}
    files = list((root/"ft_course"/"results").rglob("*.json"))
    for file in files:
        record = file.read_text(encoding="utf-8")
        answers = len(json.loads(record).get("ids", ()))
        assert not set(re.findall(r'"([^"]{25,})"', record)) & texts and len(record) < 60_000 + 30*answers, file.name
    assert sum(file.stat().st_size for file in files) < 30e6


# The metric for `evaluate`

def test_evaluate_loads_the_metric(tmp_path):
    code = ("import evaluate, sys; from ft_course.evaluation import EVALUATE_METRIC; m = evaluate.load(str(EVALUATE_METRIC)); "
            "print(m.compute(references=[0, 1, 2, 2], predictions=[0, 1, 1, 2])); m = evaluate.load(str(EVALUATE_METRIC)); m.add_batch(references=['a', 'b'], predictions=['a', 'a']); print(m.compute())")
    run = subprocess.run([sys.executable, "-c", code], env=blocked_env(HF_HOME=str(tmp_path)), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    numbers, texts = map(eval, run.stdout.strip().splitlines())
    assert numbers == {"accuracy": .75, "macro_f1": pytest.approx(f1_score([0, 1, 2, 2], [0, 1, 1, 2], average="macro")), "balanced_accuracy": pytest.approx(2.5/3)}
    assert texts["accuracy"] == .5


def test_evaluate_metric_is_packaged(root):
    from setuptools import find_packages
    assert (EVALUATE_METRIC/f"{EVALUATE_METRIC.name}.py").is_file()
    assert f"ft_course.evaluate_metric.{EVALUATE_METRIC.name}" in find_packages(str(root), include=["ft_course", "ft_course.*"])


def test_ends_lie_inside_the_metrics_range_and_hold_the_score():
    right = np.random.default_rng(0).choice(["a", "b"], 100)
    runs = np.array([right, np.where(right == "a", "b", "a"), right])   # two all right, one all wrong
    for metric in ("accuracy", "macro_f1", "balanced_accuracy"):
        assert (found := interval(right, runs, metric)).low == 0 and found.high == 1
        assert (gap := interval(right, runs, metric, against=runs[::-1])).low == -1 and gap.high == 1
    rare = np.array(["a"]*199 + ["b"])
    assert (found := interval(rare, np.array(["a"]*200), "balanced_accuracy")).low <= found.value == .5 <= found.high
