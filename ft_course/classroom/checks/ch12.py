"Checks of chapter 12: the size of an update's file, folding it in and out, which row goes to production."
import numpy as np

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import Wrong, call, expect_cases


def _megabytes(layers, r, each=lambda i, o: i + o, size=4, unit=1e6):
    return sum(size*r*each(i, o) for i, o in layers) / unit


def _other_sizes(layers, r) -> dict:
    return {"That counts numbers; each takes four bytes.": _megabytes(layers, r, size=1),
            "That is what the layers themselves would weigh; A and B have r times inputs plus outputs.":
                _megabytes(layers, 1, each=lambda i, o: i*o),
            "A and B are two matrices: r times inputs, and outputs times r. One of them is missing.":
                _megabytes(layers, r, each=lambda i, o: i),
            "A and B are two matrices; that is B alone.": _megabytes(layers, r, each=lambda i, o: o),
            "A megabyte is a million bytes here, not 1,024 times 1,024.": _megabytes(layers, r, unit=2**20)}


@exercise("12.size")
def check_size(lora_mb: callable):
    "Four bytes for each number of A and B, over all layers, in millions of bytes."
    bert = [(384, 384)]*4 + [(384, 1536), (1536, 384)]
    expect_cases(lora_mb, _megabytes, [([(1000, 500)], 2, ""), (bert*6, 8, "Add up over all layers."), (bert, 1, ""), ([], 8, "No layer, no bytes.")],
                 _other_sizes)


def _fold(W, A, B, alpha, sign=1): return W + sign*(alpha/A.shape[0])*(B @ A)


def _other_folds(W, A, B, alpha, sign=1) -> dict:
    r = A.shape[0]
    return {"The update is scaled by alpha / r; that is without any factor.": W + sign*(B @ A),
            "The factor is alpha / r, and not alpha alone.": W + sign*alpha*(B @ A),
            "The factor is upside down: alpha / r.": W + sign*(r/alpha)*(B @ A),
            "The rank is the number of A's rows; that divides by its columns.": W + sign*(alpha/A.shape[1])*(B @ A),
            "With sign=-1 the update comes out again.": W + (alpha/r)*(B @ A)}


@exercise("12.fold")
def check_fold(fold: callable):
    "W plus or minus alpha / r times BA, W itself left alone."
    rng, cases = np.random.default_rng(12), []
    for outputs, inputs, r, alpha, sign in ((3, 4, 2, 16, ()), (5, 2, 1, 3, ()), (4, 6, 3, 8, (-1,)), (2, 2, 2, 2, (1,))):
        cases.append((rng.normal(size=(outputs, inputs)), rng.normal(size=(r, inputs)), rng.normal(size=(outputs, r)), alpha, *sign, ""))
    expect_cases(fold, _fold, cases, _other_folds)
    W, A, B = rng.normal(size=(3, 4)), rng.normal(size=(2, 4)), rng.normal(size=(3, 2))
    kept = W.copy()
    fold(W, A, B, 4)
    if not np.array_equal(W, kept): raise Wrong("The weight that was handed in has changed; return a new one, and leave W as it is.")
    back = call(fold, np.asarray(call(fold, W, A, B, 4)), A, B, 4, -1)
    if not np.allclose(back, W): raise Wrong("Folded in and taken out again, the weight should be what it was.")


def _decide(rows, before, allowed, margin, enough=lambda low, high, margin: low > -margin, keeps=lambda old, most: old <= most, by=min):
    good = {n: numbers for n, (low, high, numbers, old) in rows.items() if enough(low, high, margin) and keeps(old, before + allowed)}
    return (by(good, key=good.get), "smallest that is good enough") if good else (None, "nothing qualifies")


def _other_decisions(rows, before, allowed, margin) -> dict:
    given = rows, before, allowed, margin
    return {"A row that breaks the old task may not be chosen.": _decide(*given, keeps=lambda old, most: True),
            "`allowed` is counted from the untouched network's loss: before + allowed.": _decide(*given, keeps=lambda old, most: old <= allowed),
            "A loss of exactly before + allowed is still allowed.": _decide(*given, keeps=lambda old, most: old < most),
            "The whole interval has to lie above -margin; that asks only for its upper end.":
                _decide(*given, enough=lambda low, high, margin: high > -margin),
            "An interval that begins exactly at -margin does not lie above it.": _decide(*given, enough=lambda low, high, margin: low >= -margin),
            "Whether it is good enough is not asked yet.": _decide(*given, enough=lambda *_: True),
            "That takes the largest of those that may be chosen.": _decide(*given, by=max),
            "“The same within the margin” is asked for; an interval that leaves zero out by less than the margin is good enough too.":
                _decide(*given, enough=lambda low, high, margin: high >= 0)}


@exercise("12.decide")
def check_decide(decide: callable):
    "The fewest numbers among the rows that keep the old task and lie within the margin of the best."
    rows = {"full": (0., 0., 22_000_000, 2.4), "rank 64": (-.6, .9, 2_600_000, 1.9), "rank 8": (-1.1, .4, 330_000, 1.7),
            "rank 1": (-2.3, -.3, 42_000, 1.6), "biases": (-1.4, .2, 18_000, 2.6)}
    expect_cases(decide, _decide, [
        (rows, 1.5, .5, 1.5, ""), (rows, 1.5, .5, 2.5, ""), (rows, 1.5, 2., 1.5, ""), (rows, 1.5, .1, 1.5, "Where no row may be chosen, say so."),
        (rows, 1.5, .4, 1., ""), (rows, 1.5, .2, 1.2, ""), ({"a": (-1., .5, 10, 1.), "b": (0., 0., 20, 1.)}, 1., 0., 1., ""),
        ({"a": (-.9, -.1, 10, 1.), "b": (0., 0., 20, 1.)}, 1., 0., 1., "")], _other_decisions)
