"Checks of chapter 01: accuracy, a verdict, the price of a right answer."
import math

import numpy as np

from ft_course import evaluation
from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import Wrong, call, called, expect, expect_cases


@exercise("01.right")
def check_right(share_right: callable):
    "The share of equal places."
    expect_cases(share_right, evaluation.accuracy, [
            (["negative", "neutral"], ["negative", "positive"], "One of two answers is right."),
            (["a", "b", "a"], ["a", "b", "a"], "All are right, and a share goes from 0 to 1."),
            (["a", "b", "b"], ["b", "a", "a"], "The same labels occur, at other places: no answer is right."),
            (["a", "b", "a", "c"], ["a", "a", "a", "a"], "The answers are compared place by place."),
            (["c"], ["c"], "One answer, and it is right.")])


VERDICTS = ("better", "worse", "the same within the margin", "cannot tell")


@exercise("01.judge")
def check_judge(judge: callable):
    "The verdicts of the chapter, zero first, then the margin."
    inside = "Zero is inside, and so are differences of more than a point."
    for low, high, wanted, why in [
            (1.2, 4.8, "better", "Zero lies below the whole interval."),
            (-6.1, -2.3, "worse", "Zero lies above the whole interval."),
            (-1.5, 5.2, "cannot tell", inside), (-5.2, .4, "cannot tell", inside), (-.6, 2.4, "cannot tell", inside),
            (-9., 9., "cannot tell", "A middle of zero says nothing when the interval is as wide as that."),
            (-.4, .7, "the same within the margin", "Every difference in this interval is less than a point."),
            (.2, .7, "better", "Zero is asked about first: the whole interval lies above it, small as the "
                               "gain is."),
            (-.8, -.1, "worse", "Zero is asked about first: the whole interval lies below it."),
            (0., 3., "cannot tell", "An interval that begins at zero does not leave zero out.")]:
        got = call(judge, low, high)
        if not isinstance(got, str) or got.strip().lower() not in VERDICTS:
            raise Wrong(f"{called(judge, low, high)} is {got!r}, which is none of the four: "
                        f"{', '.join(VERDICTS)}.")
        expect(got.strip().lower(), wanted, called(judge, low, high), why)


@exercise("01.cost")
def check_cost(cost_of_right: callable):
    "Cost in all, over the right answers, times a thousand, for each way."
    rng = np.random.default_rng(1)
    cases = [({"rule": (0, 1, .5)}, 10, "Ten answers cost 10, five of them are right: 2 for each, 2,000 for a "
                                        "thousand."),
             ({"rule": (0, 1, .5)}, 1000, "A price per *right answer* does not depend on `n` when nothing is "
                                          "paid once."),
             ({"network": (100, 0, .8)}, 1000, "What is paid once is shared by all right answers."),
             ({"network": (100, 0, .8), "prompt": (0, .01, .5)}, 10, "With few texts what is paid once weighs "
                                                                     "heavily."),
             ({"network": (100, 0, .8), "prompt": (0, .01, .5)}, 1_000_000, "With many texts it hardly "
                                                                            "weighs."),
             ({"never": (5, .1, 0), "both": (40, .002, .9)}, 500, "A way that is never right costs "
                                                                  "`math.inf`."),
             ({name: (int(rng.integers(200)), round(rng.random()/10, 3), round(rng.uniform(.3, 1), 2))
               for name in ("words", "frozen", "tuned")}, 2500, ""),
             ({}, 100, "Without ways there is an empty dict.")]
    def prices(ways, n):
        return {name: 1000*(once + n*each)/(n*accuracy) if accuracy else math.inf
                for name, (once, each, accuracy) in ways.items()}
    expect_cases(cost_of_right, prices, cases)
