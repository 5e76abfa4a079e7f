"""Do 95 % intervals contain the truth 95 times in a hundred? Test sets are drawn from systems whose confusion matrix, and
so whose score, is known. `python tests/interval_coverage.py` makes the stored table."""
from dataclasses import dataclass

import numpy as np

from ft_course.core import progress, write_json
from ft_course.core.records import provenance, read_record
from ft_course.evaluation import interval, redrawn_scores
from ft_course.results import STORE

FILE = STORE/"coverage.json"
N_SETS, N_DRAWS, N_MATRICES, SHARED = 1000, 400, 20, .6


@dataclass(frozen=True)
class Cell:
    "A kind of test set."
    labels: int
    items: int
    accuracy: float         # mean recall of the labels
    skew: float = 1.        # items of the most frequent label for one of the rarest
    at_random: bool = False # items come as they come; else each label has its share of them, as in a split by label

    def __str__(self):
        how = ("balanced" if self.skew == 1 else f"1:{self.skew:g}") + (", at random" if self.at_random else "")
        return f"{self.labels} labels, {self.items:,} items, accuracy {self.accuracy:g}, {how}"


GRID = (   # three items a label or more in each; fixed before the construction of the intervals was chosen
    Cell(3, 60, .8), Cell(3, 60, .95), Cell(3, 60, .8, at_random=True), Cell(3, 150, .6, 5), Cell(3, 500, .8),
    Cell(3, 2000, .75, 4),
    Cell(5, 100, .9, 3), Cell(10, 100, .7), Cell(20, 200, .5), Cell(20, 200, .9, 4), Cell(20, 200, .9, at_random=True),
    Cell(20, 800, .9), Cell(50, 250, .9), Cell(77, 400, .9), Cell(77, 770, .6), Cell(77, 770, .9, 3),
    Cell(77, 3075, .9, at_random=True), Cell(150, 450, .85), Cell(150, 1500, .9, 3), Cell(150, 4500, .9), Cell(150, 4500, .5, 5))


def shares(cell: Cell) -> np.ndarray:
    "Share of each label, falling by a constant factor from the most frequent to the rarest."
    falling = cell.skew**-np.linspace(0, 1, cell.labels)
    return falling / falling.sum()


def confusion_matrix(cell: Cell, rng) -> np.ndarray:
    "Probability of each answer given each label, shape (n_labels, n_labels): recalls around the accuracy, errors in few places."
    n = cell.labels
    recall = rng.normal(cell.accuracy, .1, n).clip(.05, .99)
    errors = rng.dirichlet(np.full(n - 1, .2), n)*(1 - recall)[:, None]
    matrix = np.zeros((n, n))
    matrix[~np.eye(n, dtype=bool)] = errors.ravel()
    return matrix + np.diag(recall)


def true_macro_f1(matrix: np.ndarray, share: np.ndarray) -> float:
    joint = matrix*share[:, None]
    return float(np.mean(2*np.diag(joint) / (joint.sum(0) + share)))


def draw_labels(cell: Cell, rng) -> np.ndarray:
    share = shares(cell)
    if cell.at_random: return rng.choice(cell.labels, cell.items, p=share)
    counts = np.floor(share*cell.items).astype(int)
    counts[:cell.items - counts.sum()] += 1
    return np.repeat(np.arange(cell.labels), counts)


def draw_answers(matrix: np.ndarray, labels: np.ndarray, rng) -> np.ndarray:
    cumulated = matrix.cumsum(1)[labels]
    return (rng.random((len(labels), 1)) > cumulated / cumulated[:, -1:]).sum(1)


def test_sets(cell: Cell, n_sets: int, seed: int = 0):
    """Yields labels, the answers of two systems, the first one's true macro-F1 and the true difference; `SHARED` of the
    second one's answers are the first one's."""
    for m in range(N_MATRICES):
        rng = np.random.default_rng([seed, m, cell.labels, cell.items])
        first, other = confusion_matrix(cell, rng), confusion_matrix(cell, rng)
        second = SHARED*first + (1 - SHARED)*other
        scores = [true_macro_f1(matrix, shares(cell)) for matrix in (first, second)]
        for _ in range(m, n_sets, N_MATRICES):
            labels = draw_labels(cell, rng)
            ours = draw_answers(first, labels, rng)
            theirs = np.where(rng.random(len(labels)) < SHARED, ours, draw_answers(other, labels, rng))
            yield labels, ours, theirs, scores[0], scores[0] - scores[1]


def coverage(cell: Cell, n_sets: int = N_SETS, n_draws: int = N_DRAWS, metric="macro_f1") -> dict[str, float]:
    """Share of the intervals that contain the truth, from 0 to 1: of `interval` for a `score` and a paired
    `difference`, and of the plain percentiles for both."""
    hits = dict.fromkeys(("score", "difference", "score, percentiles", "difference, percentiles"), 0)
    for labels, ours, theirs, score, difference in test_sets(cell, n_sets):
        drawn = redrawn_scores(labels, [ours, theirs], metric, n_draws)
        one, both = interval(labels, ours, metric, n_draws=n_draws), interval(labels, ours, metric, theirs, n_draws)
        for what, truth, made, draws in (("score", score, one, drawn[:, 0]),
                                         ("difference", difference, both, drawn[:, 0] - drawn[:, 1])):
            low, high = np.quantile(draws, [.025, .975])
            hits[what] += made.low <= truth <= made.high
            hits[f"{what}, percentiles"] += low <= truth <= high
    return {what: round(int(n) / n_sets, 4) for what, n in hits.items()}


def main():
    "Simulates the cells that are not stored yet, and prints all."
    kept = read_record(FILE) or {"n_sets": N_SETS, "n_draws": N_DRAWS, "cells": {}} | provenance()
    for cell in progress(GRID, "coverage", unit="cell"):
        if str(cell) not in kept["cells"]:
            kept["cells"][str(cell)] = coverage(cell)
            write_json(kept, FILE)
        print(cell, kept["cells"][str(cell)], flush=True)


if __name__ == "__main__": main()
