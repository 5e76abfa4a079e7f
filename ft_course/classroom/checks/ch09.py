"Checks of chapter 09: mean pooling, outvoted labels, texts that lie far apart."
import numpy as np

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import expect_cases


def _unit(vectors): return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _mean_vectors(states, mask):
    real = mask[:, :, None]
    return _unit((states*real).sum(1) / real.sum(1))


def _other_means(states, mask) -> dict:
    real = mask[:, :, None]
    mean = (states*real).sum(1) / real.sum(1)
    return {"The vectors are not of length 1 yet.": mean,
            "That is the sum; the mean divides by the number of real tokens, and then comes the length.": (states*real).sum(1),
            "Padding is in the mean: positions where the mask is 0 must not count.": _unit(states.mean(1)),
            "Padding is in the mean, and the vectors are not of length 1.": states.mean(1),
            "That is the first token's vector; the mean of all real ones is asked for.": _unit(states[:, 0]),
            "Each token was scaled to length 1 before the mean; scale the mean.": _unit((_unit(states)*real).sum(1)),
            "The whole array was scaled to length 1; each text has a length of its own.": mean / np.linalg.norm(mean)}


@exercise("09.mean")
def check_mean(mean_vectors: callable):
    "The mean over the real tokens, each row scaled to length 1."
    rng, cases = np.random.default_rng(9), []
    for lengths, width, dimensions in ([2], 3, 2), ([3, 1, 5], 5, 4), ([4, 4], 6, 3), ([1, 7, 2, 7], 7, 6):
        mask = (np.arange(width) < np.array(lengths)[:, None]).astype(int)
        states = rng.normal(size=(*mask.shape, dimensions)).round(2) + .3
        states[mask == 0] = rng.integers(-90, 90, size=(int((mask == 0).sum()), dimensions))
        cases.append((states.round(2), mask, ""))
    expect_cases(mean_vectors, _mean_vectors, cases, _other_means, 1e-4)


def _neighbourhood(rng, n, k, twice):
    "Vectors of length 1 in three clusters, labels with some errors; no tie at the edge of any neighbourhood."
    while True:
        cluster = rng.integers(3, size=n)
        vectors = _unit(3*np.eye(5)[cluster] + rng.normal(size=(n, 5)))
        labels = np.array(["work", "play", "rest"])[np.where(rng.random(n) < .25, rng.integers(3, size=n), cluster)].tolist()
        for i in range(0, 2*twice, 2): vectors[i + 1] = vectors[i]
        ordered = -np.sort(-np.where(np.eye(n, dtype=bool), -np.inf, vectors @ vectors.T), axis=1)
        if k >= n - 1 or (ordered[:, k - 1] - ordered[:, k]).min() > 1e-6: return vectors, labels


def _outvoted(vectors, labels, k, drop="self", ties=False):
    cosines, found = vectors @ vectors.T, []
    for i in range(len(labels)):
        order = [j for j in np.argsort(-cosines[i], kind="stable").tolist() if drop != "self" or j != i]
        if drop == "last": order = np.argsort(cosines[i])[::-1].tolist()
        order = order[1:k + 1] if drop in ("first", "last") else order[:k]
        votes = [labels[j] for j in order]
        best = max(votes.count(label) for label in set(votes))
        if votes.count(labels[i]) < best or (ties and next(label for label in votes if votes.count(label) == best) != labels[i]): found.append(i)
    return found


def _other_suspects(vectors, labels, k) -> dict:
    twins, n = "leave out the row number itself, not the first of the order.", len(labels)
    wanted = _outvoted(vectors, labels, k)
    nearest = np.argsort(-np.where(np.eye(n, dtype=bool), -np.inf, vectors @ vectors.T), axis=1)[:, :k]
    return {"The text itself votes with the others; it is always its own nearest.": _outvoted(vectors, labels, k, drop="none"),
            f"A text that stands there twice is not always the first in its own row: {twins}": _outvoted(vectors, labels, k, drop="first"),
            f"A text that stands there twice may come second in its own row: {twins}": _outvoted(vectors, labels, k, drop="last"),
            "Where two labels have the same number of votes and one of them is the text's own, it is no suspect.":
                _outvoted(vectors, labels, k, ties=True),
            "Those are the texts that are *not* outvoted.": [i for i in range(n) if i not in wanted],
            "One other label is not enough: the text's own label must have fewer votes than the most frequent one.":
                [i for i in range(n) if any(labels[j] != labels[i] for j in nearest[i])]}


@exercise("09.suspects")
def check_suspects(suspects: callable):
    "Row numbers whose label has fewer votes among the k nearest others than another label."
    rng = np.random.default_rng(9)
    expect_cases(suspects, _outvoted, [
        (*_neighbourhood(rng, n, k, twice), k, "They are row numbers, in rising order.")
        for n, k, twice in ((12, 3, 0), (30, 5, 0), (30, 4, 0), (24, 1, 6), (26, 3, 6), (5, 4, 0))], _other_suspects)


def _spread(vectors, n, start, near=np.max, pick=np.argmin):
    chosen = [start]
    while len(chosen) < n:
        scores = near(vectors @ vectors[chosen].T, axis=1)
        scores[chosen] = np.inf if pick is np.argmin else -np.inf
        chosen.append(int(pick(scores)))
    return chosen


def draw_spread(spread):
    "Forty points on the circle, and the eight that the learner's function chooses, numbered."
    from matplotlib.figure import Figure
    rng = np.random.default_rng(1)
    angles = np.sort(np.concatenate([rng.normal(m, .25, 13) for m in (.5, 2.2, 4.4)] + [np.array([5.6])]))
    points = np.c_[np.cos(angles), np.sin(angles)]
    figure = Figure(figsize=(3.2, 3.2), layout="constrained", dpi=110)
    ax = figure.subplots()
    ax.plot(*points.T, "o", color="0.75", ms=4)
    for number, row in enumerate(spread(points.copy(), 8, 0), 1):
        ax.plot(*points[row], "o", color="#0072B2", ms=6)
        ax.text(*(1.14*points[row]), str(number), color="#0072B2", ha="center", va="center")
    ax.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), xticks=[], yticks=[], aspect="equal", title="forty texts, eight chosen")
    return figure


def _other_spreads(vectors, n, start) -> dict:
    last = [start]
    while len(last) < n: last.append(int(np.argmin(np.where(np.isin(np.arange(len(vectors)), last), np.inf, vectors @ vectors[last[-1]]))))
    return {"That is far from the chosen ones *on average*; one chosen neighbour close by is enough to make a text superfluous.":
                _spread(vectors, n, start, near=np.mean),
            "Each of these is far from the one chosen last; it has to be far from all chosen ones.": last,
            "Those are close to the chosen ones; the smallest cosine is asked for.": _spread(vectors, n, start, pick=np.argmax),
            "Those are the texts nearest to `start`; the next one should be far from all that are chosen.":
                np.argsort(-(vectors @ vectors[start]))[:n],
            "The cosine to the *nearest* chosen one decides, that is the largest of its cosines to them.":
                _spread(vectors, n, start, near=np.min)}


@exercise("09.spread", draw=draw_spread)
def check_spread(spread: callable):
    "Each next one has the smallest cosine to its nearest chosen one; ties go to the lower row number."
    rng, axes = np.random.default_rng(9), np.concatenate([np.eye(4), 0 - np.eye(4)])[[0, 5, 2, 7, 4, 1, 6, 3]]
    circle = np.array([[np.cos(a), np.sin(a)] for a in np.deg2rad([0, 10, 90, 180])]).round(3)
    tie = "Of texts that are equally far the one with the lower row number is next."
    expect_cases(spread, _spread, [
        (_unit(rng.normal(size=(30, 4))), 8, 5, "It is a list of `n` row numbers, `start` among them."), (circle, 3, 0, ""),
        (_unit(rng.normal(size=(12, 3))), 12, 0, "No text is chosen twice."), (_unit(rng.normal(size=(9, 3))), 1, 4, ""),
        (axes, 8, 2, tie), (axes[[0, 0, 3, 3, 1]], 5, 1, tie)], _other_spreads)
