"Metrics equal to the libraries', intervals that cover, stored runs that are what they say."
import json
import re

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, f1_score

from ft_course.data import load_task
from ft_course.evaluation import accuracy, compare, interval, macro_f1, rouge_l


def test_rouge_l_is_the_librarys():
    from rouge_score.rouge_scorer import RougeScorer
    heads = load_task("headline_writing").split("train")[1]
    pairs = [(heads[i], heads[(7*i) % 500] + " " + heads[i][:15]) for i in range(300)] + [("", "word"), ("word", ""), ("It's £5m!", "it s 5m")]
    theirs = [RougeScorer(["rougeL"]).score(a, b)["rougeL"].fmeasure for a, b in pairs]
    np.testing.assert_allclose(rouge_l(*zip(*pairs)), theirs, atol=1e-9)


def test_classification_metrics_are_the_librarys():
    rng = np.random.default_rng(0)
    for n in (5, 60, 400):
        true, predicted = rng.choice(list("abcd"), n, p=[.7, .2, .05, .05]), rng.choice(list("abce"), n)
        assert macro_f1(true, predicted) == pytest.approx(f1_score(true, predicted, average="macro"))
        assert accuracy(true, predicted) == pytest.approx(accuracy_score(true, predicted))


def test_interval_covers_nineteen_times_in_twenty():
    rng, covered = np.random.default_rng(1), 0
    for i in range(400):
        true = np.zeros(250, int)
        got = interval(true, (rng.random(250) > .8).astype(int), "accuracy", n_draws=400, seed=i)
        covered += got.low <= .8 <= got.high
    assert .92 <= covered/400 <= .975


def test_paired_interval_of_a_difference():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, 400)
    base = np.where(rng.random(400) < .7, true, 1 - true)
    better = base.copy(); better[:30] = true[:30]
    paired = interval(true, better, "accuracy", against=base)
    assert paired.value == pytest.approx(np.mean(better == true) - np.mean(base == true)) and paired.covers == "test items only"
    assert interval(true, [better, base], "accuracy").covers == "test items and seeds"
    with pytest.raises(ValueError, match="same items"): interval(true, better[:10])


def test_stored_runs_are_not_repeated_and_go_stale(tmp_path):
    task = load_task("headlines")
    first = compare({"majority": DummyClassifier()}, task, store=tmp_path)
    file = next(tmp_path.rglob("*.json"))
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"fit_seconds": 123.}))
    assert compare({"majority": DummyClassifier()}, task, store=tmp_path).records["majority"][0]["fit_seconds"] == 123.
    other = compare({"majority": DummyClassifier(strategy="stratified", random_state=0)}, task, store=tmp_path, run=False)
    assert other.stale == ("majority",) and "(stale)" in other.table().index[0]
    again = compare({"majority": DummyClassifier(strategy="prior")}, task, store=tmp_path)
    assert not again.stale and first.stale == ()
    with pytest.raises(ValueError, match="nothing is stored"): compare({"new": DummyClassifier()}, task, store=tmp_path, run=False)


@pytest.mark.parametrize("name", ["airline", "headlines", "headline_writing"])
def test_stored_results_of_the_course(root, name):
    from ft_course.results import CHOSEN, SEEDS, STORE, candidates, choosing, choosing_seeds, full_size, stored, winners
    table, task = stored(name), full_size(name)
    assert not table.stale, f"make results: {table.stale}"
    assert CHOSEN[name] == winners(name)
    for row, runs in table.records.items():
        for run in runs:
            assert run["ids"] == list(task.data["test"]["id"]) and {"date", "machine", "versions", "fit_seconds", "peak_mb"} <= run.keys()
    assert len(table.records["fine-tuned"]) == len(SEEDS) == 3
    for row, settings in candidates(name).items():   # every candidate competed, with its seeds, and none of the records is stale
        if len(settings) == 1: continue
        seeds = choosing_seeds(name, row)
        grid = compare({f"{row}: {n}": e for n, e in settings.items()}, choosing(load_task(name)), seeds, store=STORE, run=False)
        assert not grid.stale and {len(runs) for runs in grid.records.values()} == {len(seeds)}


def test_fingerprint_follows_the_code_that_is_used():
    from ft_course.embeddings import embedding_classifier
    from ft_course.evaluation import used_code
    from ft_course.training import FineTunedClassifier
    frozen, tuned = used_code(embedding_classifier()), used_code(FineTunedClassifier())
    assert "training.collate" in frozen and "training.train" not in frozen and {"training.train", "training.Full", "models.load_classifier"} <= set(tuned)
    assert used_code(DummyClassifier()) == {}


def test_stored_results_hold_no_texts(root):
    texts = {t for name in ("airline", "headline_writing") for t in load_task(name).split("test")[0]}
    for file in (root/"ft_course"/"results").rglob("*.json"):
        strings = set(re.findall(r'"([^"]{25,})"', file.read_text(encoding="utf-8")))
        assert not strings & texts and file.stat().st_size < 200_000
