"Checks of chapter 08: label probabilities, luck with wordings, when training pays."
import math

import numpy as np
from scipy.special import softmax

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import expect_cases


def _label_probabilities(logs, normalize):
    scores = np.array([np.mean(v) if normalize else np.sum(v) for v in logs.values()])
    return dict(zip(logs, softmax(scores).tolist()))


@exercise("08.labels")
def check_labels(label_probabilities: callable):
    "Turns the tokens' log-probabilities into probabilities of labels."
    rng = np.random.default_rng(8)
    def drawn(n): return (-rng.exponential(2, n)).round(2).tolist()
    cases = [({"a": [-1.], "b": [-2.]}, False, "Among these labels the probabilities add up to 1."),
             ({"a": [-1.], "b": [-.5, -.5]}, False, "The score of a word is the sum over its tokens."),
             ({"a": [-1.], "b": [-.5, -.5]}, True,
              "With `normalize=True` the score is the mean over the tokens."),
             ({"x": drawn(1), "y": drawn(3), "z": drawn(2)}, False,
              "The score of a word is the sum over its tokens."),
             ({"x": drawn(1), "y": drawn(3), "z": drawn(2)}, True,
              "Normalising is dividing by the number of tokens."),
             ({"long": [-400., -500.], "longer": [-300., -601.]}, False,
              "The exponential of a very small score is zero: take away the largest score first."),
             ({"only": [-3., -1.]}, False, "A single label has all the probability.")]
    with np.errstate(all="ignore"): expect_cases(label_probabilities, _label_probabilities, cases)


def _luck(scores):
    scores = np.asarray(scores, float)
    a = scores.mean()
    return scores.mean(1).std(ddof=1), math.sqrt(a*(1 - a) / scores.shape[1])


@exercise("08.luck")
def check_luck(luck: callable):
    "The spread over wordings beside the standard error over items."
    rng = np.random.default_rng(8)
    rule = ("The first is the standard deviation of one accuracy a wording, dividing by their number less one; the second the "
            "root of a(1 - a)/n, with the accuracy of all wordings together and the number of items that one wording read.")
    expect_cases(luck, _luck, [
        ([[1, 1, 1, 1], [0, 0, 0, 0]], rule), ((rng.random((6, 40)) < .6).astype(int).tolist(), rule),
        ((rng.random((3, 100)) < np.array([[.3], [.5], [.8]])).astype(int).tolist(), rule),
        ([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0]], "These wordings have the same accuracy, so nothing is due to them.")])


def _break_even(shared, own, price, discount, once, each):
    prompt = (shared*discount + own)*price / 1e6
    return math.inf if prompt <= each else math.ceil(once / (prompt - each) - 1e-6)


@exercise("08.pays")
def check_pays(break_even: callable):
    "From how many texts on a model of one's own costs no more than the prompt."
    expect_cases(break_even, _break_even, [
        (900, 100, 1., 1., 99.9995, 0., "A thousand tokens at 1 a million are a thousandth a text."),
        (900, 100, 1., .1, 100., 0., "Shared tokens cost only the share `discount` of the price."),
        (0, 250, 4., .5, 30.0007, 0., "Own tokens cost the full price."),
        (2000, 50, 2.5, .25, 400., .0004,
         "The own model costs something for every text, too: only the difference is saved."),
        (900, 100, 1., 1., 50.0005, 0., "At the number before, the own model is still dearer; round up."),
        (100, 20, 1., 1., 10., .01,
         "Where the own model is dearer for each text, it never pays: `math.inf`."),
        (500_000, 500_000, .5, 1., 10., .5,
         "Where a text costs the same on both sides, `once` never comes back: `math.inf`."),
    ], tolerance=1e-9)
