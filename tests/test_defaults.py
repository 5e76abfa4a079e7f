"The table of the defaults of chapter 05, and what it is made with."
from collections import Counter

import numpy as np
import pytest

from ft_course.experiments.defaults import TASKS, WAYS, sizes_table, which_article
from ft_course.embeddings import EmbeddingClassifier
from ft_course.estimators import FewPerLabel, FineTunedClassifier
from ft_course.results import stored


class Keeps:
    "A classifier that keeps what it is given."
    def __init__(self, random_state=None): self.random_state = random_state
    def get_params(self, deep=True): return {"random_state": self.random_state}
    def set_params(self, random_state): self.random_state = random_state
    def fit(self, texts, labels, **more): self.texts, self.labels, self.more, self.classes_ = texts, labels, more, np.unique(labels)


ROWS = [f"text {i}" for i in range(40)], ["a"]*20 + ["b"]*17 + ["c"]*3


def test_so_many_rows_of_each_label_are_drawn_and_all_of_a_rarer_one():
    first, again, other = (FewPerLabel(Keeps(), 8, seed).fit(*ROWS, validation=("v", "w")) for seed in (0, 0, 1))
    assert Counter(first.estimator_.labels) == {"a": 8, "b": 8, "c": 3} and first.n_rows_ == 19
    assert all(ROWS[1][ROWS[0].index(t)] == label for t, label in zip(first.estimator_.texts, first.estimator_.labels))
    assert first.estimator_.texts == again.estimator_.texts != other.estimator_.texts
    assert other.estimator_.random_state == 1 and first.estimator_.more == {"validation": ("v", "w")}
    assert sorted(FewPerLabel(Keeps()).fit(*ROWS).estimator_.texts) == sorted(ROWS[0])
    with pytest.raises(ValueError, match="per_label=0: it has to be at least 1"): FewPerLabel(Keeps(), 0).fit(*ROWS)


def test_a_choice_of_C_wants_two_rows_of_each_label():
    with pytest.raises(ValueError, match="label 'c' has one row, and choosing C"):
        EmbeddingClassifier(C=(1., 10.)).fit(["x", "y", "z", "u", "w"], ["a", "a", "b", "b", "c"])


@pytest.mark.slow
def test_C_is_chosen_with_three_rows_of_a_label():
    model = EmbeddingClassifier(C=(1., 10.)).fit([f"good {i}" for i in range(3)] + [f"bad {i}" for i in range(5)], ["g"]*3 + ["b"]*5)
    assert model.predict(["good", "bad"]).tolist() == ["g", "b"]


@pytest.mark.slow
def test_which_article_has_so_many_labels_and_no_text_twice():
    task = which_article(20)
    texts, labels = (sum(columns, []) for columns in zip(*(task.split(name) for name in ("train", "validation", "test"))))
    assert len(set(labels)) == 20 and len(set(texts)) == len(texts) and min(map(len, texts)) > 30


def test_the_table_has_a_row_for_every_task_and_size():
    found = sizes_table()
    assert len(found) == 10 and set(WAYS) <= {*found.columns}
    for task in TASKS:
        runs = stored(f"defaults_{task}")
        assert {len({run["seed"] for run in records}) for records in runs.records.values()} == {5}
        assert found.loc[(task.replace("_", " "), "all"), "defaults"] == f"{runs.interval('all: defaults', 'macro_f1'):.2f}"


def test_the_defaults_are_what_is_tried():
    assert repr(WAYS["defaults"]) == repr(FineTunedClassifier())
