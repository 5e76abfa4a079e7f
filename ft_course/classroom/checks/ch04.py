"Checks of chapter 04: macro-F1, a verdict, a paired interval, costs, coverage."
import math

import numpy as np

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import Wrong, call, called, expect, expect_call, expect_cases
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


@exercise("04.verdict")
def check_verdict(decide: callable):
    "The chapter's four verdicts, in its order."
    for low, high, margin, wanted, why in [
        (.011, .031, .01, "better", "All of it lies above zero."),
        (-.026, -.005, .01, "worse", "All of it lies below zero."),
        (-.006, .008, .01, "the same within the margin", "It holds zero, and all of it lies within the margin."),
        (-.009, .022, .01, "cannot tell", "It holds zero, so no difference was shown; "
         "it reaches beyond the margin, so sameness was not shown either."),
        (-.03, .004, .01, "cannot tell", "It reaches beyond the margin on the lower side."),
        (.002, .008, .01, "better", "It lies inside the margin *and* above zero: the difference is there, "
         "and too small to matter. *Better* wins."),
        (-.008, -.002, .01, "worse", "All of it lies below zero, though inside the margin."),
        (.02, .08, .05, "better", "*Better* asks for an interval above zero, not above the margin."),
        (-.04, .03, .05, "the same within the margin", "The margin is five points here."),
        (-1.5, 2.5, 1, "cannot tell", ""),
        (0., .02, .01, "cannot tell", "An interval that begins exactly at zero does not lie above it."),
        (-.02, 0., .01, "cannot tell", "An interval that ends exactly at zero does not lie below it."),
        (0., .005, .01, "the same within the margin", "It begins exactly at zero, so it does not lie above it, "
         "and all of it lies within the margin."),
        (-.004, .01, .01, "cannot tell", "An end exactly at the margin is no longer within it."),
    ]: expect_call(decide, low, high, margin, wanted=wanted, why=why)


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


def _textbook(k: int, n: int) -> tuple[float, float]:
    "The score give or take 1.96 standard errors."
    half = 1.96*math.sqrt(k/n*(1 - k/n)/n)
    return k/n - half, k/n + half


def _wilson(k: int, n: int) -> tuple[float, float]:
    "Wilson's interval (Wilson 1927)."
    middle, half = k + 1.92, 1.96*math.sqrt(k*(n - k)/n + .96)
    return (middle - half)/(n + 3.84), (middle + half)/(n + 3.84)


def _draw_coverage(holds_truth):
    "Coverage of two intervals over the number of items, for a truth of 0.98."
    from matplotlib.figure import Figure
    figure = Figure(figsize=(5.6, 2.6), layout="constrained", dpi=110)
    ax, sizes = figure.subplots(), (5, 10, 20, 40, 80, 160, 320)
    ax.spines[["top", "right"]].set_visible(False)
    ax.axhline(95, color="0.6", lw=1)
    for interval_of, name, color, y in ((_textbook, "textbook", "#D55E00", -12), (_wilson, "Wilson", "#0072B2", -12)):
        line = [100*holds_truth(interval_of, n, .98) for n in sizes]
        ax.plot(sizes, line, "o-", color=color, ms=4)
        ax.annotate(name, (sizes[1], line[1]), (0, y), textcoords="offset points", color=color, fontsize=9, ha="center", va="top")
    ax.set(xscale="log", ylim=(0, 104), xlabel="test items, of which the model gets 98 in 100 right", ylabel="intervals that hold\nthe truth (%)")
    ax.set_xticks(sizes, sizes)
    ax.minorticks_off()
    return figure


def _holds_truth(interval_of, n: int, truth: float) -> float:
    "Probability, over the binomial distribution, that the interval holds `truth`."
    inside = [k for k in range(n + 1) if interval_of(k, n)[0] <= truth <= interval_of(k, n)[1]]
    return sum(math.comb(n, k) * truth**k * (1 - truth)**(n - k) for k in inside)


@exercise("04.coverage", draw=_draw_coverage)
def check_coverage(holds_truth: callable):
    "The exact probability that an interval holds the truth."
    def everything(k, n): return 0., 1.
    def point(k, n): return k/n, k/n
    def textbook(k, n): return _textbook(k, n)
    def wide(k, n): return max(0, k/n - .2), min(1, k/n + .2)
    for interval_of, n, truth, why in (
            (everything, 2, .5, "This interval goes from 0 to 1 and always holds it; of two items none is right with probability 1/4, "
                                "one with 1/2, both with 1/4."),
            (point, 2, .5, "This interval is the score itself. One right answer of two lands on the truth, and an end that equals it holds it."),
            (everything, 12, .7, "This interval goes from 0 to 1 and always holds it: every outcome counts, from none right to all."),
            (textbook, 10, .9, ""), (textbook, 40, .99, ""), (wide, 7, .35, ""), (textbook, 150, .8, "")):
        got, wanted = call(holds_truth, interval_of, n, truth), _holds_truth(interval_of, n, truth)
        near = np.ndim(got) == 0 and isinstance(got, (int, float, np.number)) and 1e-5 < abs(got - wanted) < .04
        if near: why += " That is near: if it is a simulation, add up the probabilities instead, and it is exact."
        expect(got, wanted, f"holds_truth({interval_of.__name__}, {n}, {truth})", why.strip() or "Each outcome counts with its own probability.")
