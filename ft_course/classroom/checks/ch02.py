"Checks of chapter 02: softmax, log-likelihood, the mask."
import math

import numpy as np

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import Wrong, call, called, expect, mistaken, shown


def _first_that_works(function, *ways):
    "What the function gives for the first of these ways to hand over the inputs that does not make it stumble."
    first = None
    for given in ways:
        try: return call(function, *given)
        except Wrong as err: first = first or err
    raise first


def _in_three_forms(values) -> list[tuple]:
    "A list in three forms, each as the arguments of a call."
    import torch
    return [(values,), (np.array(values),), (torch.tensor(values),)]


@exercise("02.softmax")
def check_softmax(my_softmax: callable):
    "Probabilities in proportion to e to the scores, for scores of any size."
    rng = np.random.default_rng(2)
    with np.errstate(all="ignore"):
        for scores, why in (([0., math.log(3)], "e to the scores is 1 and 3."), ([0.]*5, "Five equal scores share alike."),
                            ([-1., 0., 1.], "Scores may be negative; probabilities never are, and they add up to 1."),
                            (rng.normal(0, 3, 8).round(2).tolist(), ""), ([2.5], "One token alone has probability 1.")):
            given = np.exp(scores) / np.sum(np.exp(scores))
            expect(_first_that_works(my_softmax, *_in_three_forms(scores)), given, called(my_softmax, scores), why)
        for scores, wanted in (([1000., 1000.], [.5, .5]), ([-1000., -1000. + math.log(3)], [.25, .75])):
            try: expect(_first_that_works(my_softmax, *_in_three_forms(scores)), wanted, called(my_softmax, scores))
            except Wrong as err:
                raise Wrong(f"{err} e to a thousand is too large for a computer's numbers, e to minus a thousand is 0 for them. "
                            "Which number could be taken off all scores beforehand?") from err


def _likelihood_given(function, logits, ids):
    "What the function gives for tensors, or, where they make it stumble, for arrays, or for an array and a list."
    import torch
    return _first_that_works(function, (torch.tensor(logits), torch.tensor(ids)), (logits, np.array(ids)), (logits, list(ids)))


def _other_likelihoods(logits, ids) -> dict:
    "What is mistaken for the log-likelihood."
    logs, rows = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True), np.arange(len(ids))
    right = logs[rows[:-1], ids[1:]].sum()
    seen = ("Each token is judged there by its own row, which has already seen it. "
            "The row of a token holds the scores for the *next* one")
    return {
        f"{seen}.": logs[rows, ids].sum(),
        f"{seen}, also where the first token is left out.": logs[rows[1:], ids[1:]].sum(),
        f"{seen}, also where the last row is left out.": logs[rows[:-1], ids[:-1]].sum(),
        "The shift goes the wrong way: it is the row *before* a token that holds its scores.": logs[rows[1:], ids[:-1]].sum(),
        "That is the mean over the tokens; the log-likelihood is their sum.": right / (len(ids) - 1),
        "That is the loss, a mean with the sign turned; the log-likelihood is the sum of the log-probabilities, and negative.":
            -right / (len(ids) - 1),
        "The sign is turned: logarithms of probabilities are negative.": -right,
        "Those are the scores themselves, added up; a row has to become log-probabilities first.": logits[rows[:-1], ids[1:]].sum(),
        "That is the probability; asked for is its logarithm.": math.exp(right),
        "That is the logarithm to base 2; asked for is the natural one.": right / math.log(2)}


@exercise("02.likelihood")
def check_likelihood(log_likelihood: callable):
    "The sum of the log-probabilities of all tokens but the first."
    rng = np.random.default_rng(22)
    for n, size, spread in ((3, 4, 0), (2, 3, 1), (6, 5, 2), (12, 40, 3)):
        logits, ids = rng.normal(0, 1, (n, size)).round(2)*spread, rng.integers(size, size=n).tolist()
        got = _likelihood_given(log_likelihood, logits, ids)
        wanted = sum(row[i] - np.logaddexp.reduce(row) for row, i in zip(logits, ids[1:]))
        when = f"log_likelihood(logits of shape ({n}, {size}){', all 0' if not spread else ''}, {shown(ids)})"
        try: value = float(got)
        except (TypeError, ValueError) as err: raise Wrong(f"{when} has to give one number, and gave {shown(got)}.") from err
        why = mistaken(value, wanted, _other_likelihoods(logits, np.array(ids))) or f"{n} tokens have {n - 1} that follow another."
        expect(value, wanted, when, why, tolerance=1e-4)
    large = np.array([[1000., 0., 0.], [0., 1000., 1000.]])
    with np.errstate(all="ignore"): value = float(_likelihood_given(log_likelihood, large, [2, 1]))
    expect(value, -1000., "log_likelihood of a text whose scores are about 1000", "Make log-probabilities at once (`log_softmax`): "
           "e to such scores is more than numbers can hold.", tolerance=1e-4)


def _draw_mask(may_look):
    "The squares for a row without padding and for one with two of padding on the left."
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    figure = Figure(figsize=(5, 2.6), layout="constrained", dpi=110)
    for ax, given in zip(figure.subplots(1, 2), ([1, 1, 1, 1, 1], [0, 0, 1, 1, 1])):
        square = np.asarray(may_look(list(given))).astype(float)
        ax.imshow(square, cmap=ListedColormap(["white", "#0072B2"]), vmin=0, vmax=1)
        ax.set_title(f"may_look({given})", fontsize=9)
        ax.set(xlabel="token that is looked at", ylabel="token that looks", xticks=range(5), yticks=range(5))
        ax.set_xticks(np.arange(4) + .5, minor=True)
        ax.set_yticks(np.arange(4) + .5, minor=True)
        ax.grid(which="minor", color="0.8", lw=.5)
        ax.tick_params(which="minor", length=0)
    return figure


@exercise("02.mask", draw=_draw_mask)
def check_mask(may_look: callable):
    "True where the token of the column is not later and no padding."
    for given, why in (([1, 1, 1], "Without padding it is the causal triangle: a token looks at itself and at what came before, so the lower left is True."),
                       ([0, 1, 1], "The first token is padding: its column is False, the others are as they were."),
                       ([1, 1, 0, 0], "The padding is on the right: its columns are False. Rows of padding follow the same rule as others."),
                       ([1], "One token looks at itself."),
                       ([0, 0, 1, 1, 1, 1], "Two of padding on the left: two columns are False.")):
        n = len(given)
        wanted = np.tril(np.ones((n, n), bool)) & (np.array(given) == 1)
        got = _first_that_works(may_look, *_in_three_forms(given))
        square = np.asarray(got.detach() if hasattr(got, "detach") else got)
        if square.shape != (n, n): raise Wrong(f"{called(may_look, given)} has to give a square of {n} rows with {n} columns.")
        if square.dtype.kind == "f" and not np.isin(square, (0, 1)).all():
            raise Wrong(f"{called(may_look, given)} has to give True and False, not numbers such as {square.min():g}.")
        expect(square.astype(bool).tolist(), wanted.tolist(), called(may_look, given), why)
