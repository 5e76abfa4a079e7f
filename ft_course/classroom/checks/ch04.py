"Checks of chapter 04: macro-F1, costs, a paired interval."
import math

import numpy as np

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import Wrong, call, called, expect_cases
from ft_course.evaluation import macro_f1


@exercise("04.f1")
def check_f1(my_macro_f1: callable):
    "The mean over the labels of either list of F1, however rare the label."
    rare = "Each label has an F1 of its own, and a rare label counts as much as a common one."
    cases = [(["a", "a", "b"], ["a", "b", "b"], ""),
             (["a", "a", "a", "b"], ["a", "a", "a", "a"], "`a` has an F1 of 6/7 and `b`, never found, one of 0. "
              "Each label counts as much as the other, however rare.")]
    rng = np.random.default_rng(4)
    for share in (.5, .1):
        references = ["rare" if x < share else "common" for x in rng.random(60)] + ["rare", "common"]
        cases.append((references, [r if x < .8 else "common" for r, x in zip(references, rng.random(62))], rare))
    expect_cases(my_macro_f1, macro_f1, [
        *cases,
        (["a", "b", "b"], ["a", "b", "c"], "A label that was answered and never true counts too, with an F1 of 0."),
        (["a", "b", "c"], ["a", "b", "b"], "A label that is true and never answered counts too, with an F1 of 0."),
        ([1, 2, 0, 0], [1, 0, 0, 0], "Labels may be numbers."), (["a", "a"], ["a", "a"], "")])


def _two_models(rng, n: int, lost: float, won: float):
    "Right or wrong of two models on the same items; they differ on a share of `lost` + `won` of them."
    fate = rng.random(n)
    old = rng.random(n) < .7
    new = old.copy()
    old[fate < lost + won] = fate[fate < lost + won] < lost
    new[fate < lost + won] = fate[fate < lost + won] >= lost
    return old.astype(int).tolist(), new.astype(int).tolist()


def _compare_ends(got, old, new, when: str):
    "Raises `Wrong` where the two ends are not those of a paired 95 % interval."
    try: low, high = (float(v) for v in got)
    except (TypeError, ValueError) as err: raise Wrong(f"{when} has to give two numbers, the low and the high end.") from err
    gain = np.subtract(new, old)
    error, middle = gain.std() / math.sqrt(len(gain)), gain.mean()
    wide, ours, our_middle = 2*1.96*error, high - low, (low + high) / 2
    said = f"{when} is ({low:.4f}, {high:.4f})."
    if low > high: raise Wrong(f"{said} The low end comes first.")
    if not np.isfinite([low, high]).all(): raise Wrong(f"{said} Both ends have to be numbers.")
    if abs(our_middle - middle) > .33*error:
        if abs(our_middle + middle) < .33*error: raise Wrong(f"{said} The sign is turned: it is the new model minus the old one.")
        if abs(our_middle - 100*middle) < 33*error: raise Wrong(f"{said} That is in points; accuracies and their difference go from 0 to 1.")
        raise Wrong(f"{said} Its middle should be near the measured difference, {middle:.4f}.")
    if ours < .01*error: raise Wrong(f"{said} It has no width: were the items drawn with replacement, as many as there are?")
    apart = 2*1.96*math.sqrt(np.var(old)/len(old) + np.var(new)/len(new))
    if abs(ours - apart) < .12*apart and abs(ours - wide) > .33*error:
        raise Wrong(f"{said} That is as wide as if each model had been tested on other items: draw the same items for both.")
    if abs(ours - wide) > .4*error:
        raise Wrong(f"{said} It is {ours:.4f} wide and should be about {wide:.4f}: {len(old)} items in each draw, "
                    "and the middle 95 % of the draws.")


@exercise("04.paired")
def check_paired(paired_interval: callable):
    "The bootstrap interval of the difference, the same items drawn for both models."
    rng = np.random.default_rng(40)
    for n, lost, won in ((600, .08, .2), (600, .25, .1), (500, .16, .16)):
        old, new = _two_models(rng, n, lost, won)
        _compare_ends(call(paired_interval, old, new), old, new, called(paired_interval, old, new))
    same = [1, 0, 1, 1, 0, 1]*20
    got = call(paired_interval, same, same)
    try: flat = np.allclose(np.asarray(got, float), 0)
    except (TypeError, ValueError): flat = False
    if not flat: raise Wrong("For two models that agree on every item the interval is (0, 0): there is nothing to redraw a difference from.")


@exercise("04.costs")
def check_costs(gain: callable):
    "Minus the mean cost of an item; a mistake that is not in the dict costs 1."
    sections = ["business", "politics", "entertainment"]
    rng, dear = np.random.default_rng(41), {("politics", "entertainment"): 5}
    drawn = [(*(rng.choice(sections, n).tolist() for _ in range(2)), dear | {("business", "politics"): .5}, "") for n in (1, 30)]
    def cost(references, predictions, costs):
        return -float(np.mean([0 if r == p else costs.get((r, p), 1) for r, p in zip(references, predictions)]))
    expect_cases(gain, cost, [
        (["politics", "tech"], ["entertainment", "tech"], dear, "The mistake costs 5, the right answer nothing. "
         "It is minus the cost, so that more is better, and the mean over the items."),
        (["politics", "business"], ["politics", "politics"], {}, "A mistake that is not in the dict costs 1."),
        (["entertainment", "business"], ["politics", "business"], dear,
         "The pair is (true label, answer); the other direction is another mistake."),
        (sections, sections, dear, "Right answers cost nothing."),
        (["business", "politics"], ["politics", "politics"], {("business", "politics"): 0}, "A cost of 0 in the dict is a cost of 0."),
        *drawn])
