"A classifier that is shown only a few rows of each label."
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from ft_course.core.inputs import check_pairs


class FewPerLabel(ClassifierMixin, BaseEstimator):
    "The classifier, fitted on a draw of so many training rows of each label; another draw for each `random_state`."
    def __init__(self,
        estimator,                     # a classifier over texts
        per_label: int | None = None,  # rows of each label, all of a rarer one; None: every row
        random_state: int = 0,         # the draw, and the estimator's own where it has one
    ):
        self.estimator, self.per_label, self.random_state = estimator, per_label, random_state

    def fit(self, texts, labels, validation=None) -> "FewPerLabel":
        "Draws and fits; `validation` is handed on. Raises `ValueError` for a `per_label` below 1."
        texts, labels = check_pairs(texts, labels)
        if self.per_label is not None and self.per_label < 1:
            raise ValueError(f"per_label={self.per_label}: it has to be at least 1, or None for every row")
        order, seen, drawn = np.random.default_rng(self.random_state).permutation(len(texts)), {}, []
        for i in order:
            seen[labels[i]] = seen.get(labels[i], 0) + 1
            if self.per_label is None or seen[labels[i]] <= self.per_label: drawn.append(i)
        self.estimator_ = clone(self.estimator)
        if "random_state" in self.estimator_.get_params(): self.estimator_.set_params(random_state=self.random_state)
        self.estimator_.fit([texts[i] for i in drawn], [labels[i] for i in drawn],
                            **({} if validation is None else {"validation": validation}))
        self.classes_, self.n_rows_ = self.estimator_.classes_, len(drawn)
        return self

    def predict_proba(self, texts) -> np.ndarray:
        "Probabilities, shape (n_texts, n_classes), columns as in `classes_`."
        check_is_fitted(self, "estimator_")
        return self.estimator_.predict_proba(texts)

    def predict(self, texts) -> np.ndarray:
        "The most probable label of each text."
        check_is_fitted(self, "estimator_")
        return self.estimator_.predict(texts)

    @property
    def history_(self): return self.estimator_.history_

    def probed(self): return self.estimator
