"Checks of chapter 10: rank fusion, a threshold, diverse passages."
import numpy as np

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import expect_cases
from ft_course.retrieval.ranking import reciprocal_rank_fusion


@exercise("10.fuse")
def check_fuse(fuse: callable):
    "All documents by reciprocal rank fusion, best first."
    rng = np.random.default_rng(10)
    names = np.array(list("abcdefgh"))
    drawn = [[rng.permutation(names)[:n].tolist() for n in sizes] for sizes in ((8, 8), (5, 3, 6), (4, 8, 8))]
    def fused(rankings, constant): return list(reciprocal_rank_fusion(rankings, constant=constant))
    expect_cases(fuse, fused, [
        ([["a", "b"], ["b"]], 60, "A document that stands in both rankings gets something from both."),
        ([["a", "b", "c"]], 60, "A single ranking stays as it is."),
        ([["x", "a", "b"], ["y", "a", "b"], ["z", "b"]], 0,
         "With the constant 0 a first place gives 1, a second a half, a third a third."),
        ([["a", "b", "c", "d"], ["d", "c", "b", "a"]], 1,
         "A first and a last place together may give more than two middle ones: add 1/(constant + rank)."),
        ([["b", "a"], ["a", "b"]], 60, "Of equal scores the one that is met first stands first."),
        ([["a"], []], 60, "A ranking may be empty."),
        (drawn[0], 60, "Add 1/(constant + rank) over the rankings, rank 1 for the first."),
        (drawn[1], 5, "A document that is missing from a ranking gets nothing from it."),
        (drawn[2], 1, "Add 1/(constant + rank) over the rankings, rank 1 for the first."),
    ])


def _cost(threshold, scores, answerable, invented, refused):
    return sum(refused*(s < threshold) if a else invented*(s >= threshold) for s, a in zip(scores, answerable))


def _cheapest(scores, *rest): return min(sorted(scores), key=lambda t: _cost(t, scores, *rest))


def _other_thresholds(scores, *rest) -> dict:
    return {"It costs as little and answers more.": min(sorted(scores, reverse=True), key=lambda t: _cost(t, scores, *rest))}


@exercise("10.threshold")
def check_threshold(best_threshold: callable):
    "The cheapest threshold among the scores."
    rng = np.random.default_rng(11)
    drawn = []
    for n, invented, refused in ((12, 5, 1), (12, 1, 5), (30, 1, 1), (30, 3, 2)):
        answerable = (rng.random(n) < .6).tolist()
        drawn.append(([round(float(s), 3) for s in rng.normal(.5, .15, n) + .1*np.array(answerable)],
                      answerable, invented, refused,
                      "Count both: unanswerable questions at or above the threshold, and answerable ones below it."))
    expect_cases(best_threshold, _cheapest, [
        ([.9, .5, .4], [True, False, True], 5, 1,
         "Try each score as the threshold: at .9 one question is refused and none invented."),
        ([.9, .5, .4], [True, False, True], 1, 5,
         "When refusing is dear and inventing cheap, answer everything."),
        ([.8, .6, .6, .3], [True, True, False, False], 1, 1,
         "A score that equals the threshold is answered. Of equally cheap thresholds take the lowest."),
        ([.3, .9, .6], [True, True, True], 1, 1,
         "With nothing unanswerable nothing has to be refused; the scores come in any order."),
        ([.2, .9, .4], [False, False, False], 1, 1,
         "The threshold is one of the scores, so at least one question is answered."),
        ([.7], [True], 1, 1, "With one score there is one threshold."),
        ([.5, .4, .3, .2], [True, False, True, False], 0, 1,
         "If inventing costs nothing, the lowest score costs nothing."),
        *drawn], _other_thresholds)


def _diverse(query, vectors, k, balance):
    near, picked = vectors @ query, []
    while len(picked) < min(k, len(vectors)):
        again = (vectors @ vectors[picked].T).max(axis=1) if picked else np.zeros(len(vectors))
        value = balance*near - (1 - balance)*again
        value[picked] = -np.inf
        picked.append(int(value.argmax()))
    return picked


@exercise("10.diverse")
def check_diverse(diverse: callable):
    "Maximal marginal relevance."
    def unit(rows): return np.round(rows / np.linalg.norm(rows, axis=-1, keepdims=True), 2)
    rng = np.random.default_rng(12)
    twins = unit(np.array([[1., .1, 0], [1., .1, .01], [.6, -.7, .2], [0, 0, 1.]]))
    expect_cases(diverse, _diverse, [
        (np.array([1., 0, 0]), twins, 2, 1., "With a balance of 1 only the nearness to the query counts."),
        (np.array([1., 0, 0]), twins, 2, .5, "The twin of a passage that is picked already adds nothing new."),
        (np.array([1., 0, 0]), twins, 3, .5,
         "Compare with *all* that are picked and take the largest similarity, not the last one's."),
        (np.array([1., 0, 0]), twins, 9, .5, "There may be fewer passages than k."),
        (unit(np.array([1., 1.])), np.array([[1., 0], [0, 1.]]), 2, .5,
         "Of equal values take the smaller number."),
        *((unit(rng.normal(size=3)), unit(rng.normal(size=(6, 3)) + .6), 5, b, why) for b, why in
          ((.7, "The value is balance*near - (1 - balance)*(largest similarity to one that is picked)."),
           (.3, "No passage is picked twice, however good it is."),
           (.5, "Compare with all that are picked and take the *largest* similarity, not their sum or mean."))),
    ])
