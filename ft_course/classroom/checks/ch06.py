"Checks of chapter 06: the schedule, decay, the one-standard-error rule."
import math

import numpy as np

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import expect_cases


def _linear_schedule(step, n_steps, peak, warmup):
    return peak*(step/warmup if step < warmup else (n_steps - step)/(n_steps - warmup))


def draw_schedule(rate_at):
    "The learner's rate over the steps of a run."
    from matplotlib.figure import Figure
    figure = Figure(figsize=(6, 2.2), layout="constrained", dpi=110)
    ax = figure.subplots()
    ax.plot(range(65), [1e4*rate_at(step, 64, 1e-4, 7) for step in range(65)], "o-", color="#0072B2", ms=3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set(xlabel="step", ylabel="learning rate (× 0.0001)")
    return figure


@exercise("06.rate_at", draw=draw_schedule)
def check_rate_at(rate_at: callable):
    "The learning rate at a step of the linear schedule with a warm-up."
    def why(step, n, warmup):
        return ("Without a warm-up the first step already has the whole rate." if warmup == 0 and step == 0
                else "The rate rises from zero; the very first step has none of it yet." if step == 0
                else "In the warm-up the rate is in proportion to the steps that are done." if step < warmup
                else "When the warm-up is over, the rate is at its peak." if step == warmup
                else "At the end of the run nothing is left of the rate." if step == n
                else "From the end of the warm-up to the end of the run the rate falls by the same amount at every step.")
    expect_cases(rate_at, _linear_schedule, [
        (step, n, peak, warmup, why(step, n, warmup)) for n, peak, warmup in [(20, 1e-3, 5), (64, 1e-4, 7), (10, 2., 0), (12, 1., 1)]
        for step in range(n + 1)], tolerance=1e-6)


def _decay(share, rates): return max(0., -math.log(share) / sum(rates))


def _other_decays(share, rates) -> dict:
    return {} if share == 1 else {
        "A decay below 0 makes weights grow. The logarithm of a share below 1 is negative.": math.log(share) / sum(rates),
        "`exp` is undone by the natural logarithm, `math.log`; this one has the base 10.": -math.log10(share) / sum(rates)}


@exercise("06.decay")
def check_decay(decay_for: callable):
    "The weight decay that leaves a given share of a weight after a run."
    schedule = [1e-4*min((s + 1)/7, (64 - s)/57) for s in range(64)]
    expect_cases(decay_for, _decay, [
        (.5, [1e-4]*100, "The steps multiply: each one takes its share of what the others have left, not of "
                         "the beginning."),
        (.9, [1e-4]*100, "After one step `1 - rate*decay` of the weight is left, after two steps the square "
                         "of that."),
        (.9, schedule, "The rate changes over the run; every step shrinks the weight by its *own* rate times "
                       "the decay."),
        (.2, np.random.default_rng(6).uniform(1e-5, 3e-4, 200).tolist(),
         "The steps multiply: each one takes its share of what the others have left."),
        (1., [1e-3]*10, "To leave all of it, there must be no decay.")], _other_decays, tolerance=.025)


def _within_one_standard_error(scores, minutes):
    means = {s: np.mean(v) for s, v in scores.items()}
    best = max(means, key=means.get)
    error = np.std(scores[best], ddof=1) / math.sqrt(len(scores[best]))
    return min((s for s in scores if means[s] >= means[best] - error), key=lambda s: (minutes[s], -means[s]))


@exercise("06.choose")
def check_choose(cheapest: callable):
    "The one-standard-error rule."
    expect_cases(cheapest, _within_one_standard_error, [
        ({"a": [.70, .72, .74], "b": [.80, .82, .78]}, {"a": 1, "b": 9},
         "A cheap setting that is clearly worse is not good enough."),
        ({"a": [.70, .80, .803], "b": [.795, .81, .795]}, {"a": 1, "b": 2},
         "The limit comes from the best setting's runs, not from those of the setting that is looked at."),
        ({"a": [.70, .86, .72], "b": [.80, .81, .79], "c": [.785, .80, .79]}, {"a": 1, "b": 9, "c": 9},
         "Compare means; one lucky run is not the setting."),
        ({"a": [.790, .794, .792], "b": [.80, .82, .78]}, {"a": 1, "b": 9},
         "A setting within one standard error of the best mean is good enough, and then the minutes decide."),
        ({"a": [.786, .787, .785], "b": [.80, .82, .78]}, {"a": 1, "b": 9},
         "The limit is the standard *error* of the best mean: the standard deviation divided by the root of "
         "the number of runs."),
        ({"a": [.7875, .7895, .7885], "b": [.80, .82, .78]}, {"a": 1, "b": 9},
         "The standard deviation of a few runs divides by their number less one."),
        ({"a": [.80, .82, .78], "b": [.795, .795], "c": [.799, .797, .798, .799]}, {"a": 5, "b": 3, "c": 3},
         "Of equally cheap settings take the one with the higher mean."),
        ({"only": [.5, .6]}, {"only": 4}, "One setting is a table too."),
        ({"x": [.80, .82, .78], "y": [.81, .79, .80, .801], "z": [.60, .61, .62]}, {"x": 2, "y": 8, "z": 1},
         "The rows come in any order."),
    ])
