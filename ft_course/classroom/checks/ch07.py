"Checks of chapter 07: dropout by hand, early stopping, the winner's flattery, a temperature."
import numpy as np

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import NotAttempted, Wrong, call, called, expect, expect_call, expect_cases, mistaken, shown


@exercise("07.warmup")
def check_warmup(dropped: callable):
    "Zeros where the mask is 0; elsewhere x / (1 - p)."
    rng = np.random.default_rng(7)
    cases = [([3., 8., 2., 5., 1., 9.], [1, 0, 0, 1, 1, 0], .25), ([2., 7., 4., 1., 6.], [1]*5, 0.)]
    cases += [(rng.integers(1, 9, size).astype(float).tolist(), rng.integers(0, 2, size).tolist(), p) for size, p in ((4, .5), (3, .9))]
    def right(x, keep, p): return np.array(x)*keep / (1 - p)
    expect_cases(dropped, right, [(*case, "It has as many numbers as x.") for case in cases], _other_drops)
    x, keep = rng.normal(size=20), rng.integers(0, 2, 20)
    expect(np.asarray(call(dropped, x, keep, .3), float), x*keep / .7, "with arrays instead of lists, the result")


def _other_drops(x, keep, p) -> dict:
    x, keep = np.array(x), np.array(keep)
    likely = {"The numbers that stay have to be scaled up, or the next layer sees less in training than later.": x*keep,
              "They are scaled down; the average over many masks has to be x.": x*keep*(1 - p),
              "The zeros of the mask are what goes.": x*(1 - keep) / (1 - p)}
    if p: likely["A number stays with probability 1 - p."] = x*keep / p
    if keep.any(): likely["The scale comes from p, not from how many this one mask happens to keep."] = x*keep*len(x) / keep.sum()
    return likely


@exercise("07.stop")
def check_stop(stops: callable):
    "The epoch kept and the epoch at which the run ends, counted from 1."
    for losses, patience, wanted, why in [
        ([.9, .7, .8, .75, .6], 2, (2, 4), "Epochs 3 and 4 are no better than epoch 2, and with a patience of 2 the run ends there."),
        ([.9, .8, .7, .6], 1, (4, 4), "A run that improves to the end is never stopped: its last epoch is both."),
        ([.5, .6, .4], 1, (1, 2), "With a patience of 1 the first epoch that is no better ends the run; what comes later is never seen."),
        ([.5, .6, .7], 5, (1, 3), "The patience was never used up: the run goes on to its last epoch, and the best is kept."),
        ([.6, .6, .6, .5], 2, (1, 3), "An equal loss is no improvement."),
        ([.9, .7, .8, .6, .7, .65, .5], 2, (4, 6), "A better epoch starts the waiting anew."),
        ([.8], 1, (1, 1), "One epoch: it is kept, and the run ends with it."),
    ]: _expect_epochs(stops, losses, patience, wanted, why)
    rng = np.random.default_rng(7)
    for _ in range(30):
        losses = (rng.integers(1, 9, rng.integers(1, 12)) / 10).tolist()
        patience = int(rng.integers(1, 4))
        _expect_epochs(stops, losses, patience, _early_stopping(losses, patience), "Read the rule again with this curve.")
    _expect_epochs(stops, np.array([.9, .7, .8, .75]), 2, (2, 4), "The losses may come as an array, too.")


def _early_stopping(losses, patience):
    for end in range(1, len(losses) + 1):
        best = 1 + int(np.argmin(losses[:end]))
        if end - best >= patience: return best, end
    return best, end


def _expect_epochs(function, losses, patience, wanted, why):
    got, when = call(function, losses, patience), called(function, losses, patience)
    if not isinstance(got, (tuple, list, np.ndarray)) or len(got) != 2:
        raise Wrong(f"{when} is {shown(got)}, and should be two numbers: the epoch kept and the epoch at which the run ends.")
    if any(v is None or v is ... for v in got): raise NotAttempted()
    got = tuple(got)
    if got != wanted and got == (wanted[1], wanted[0]): why = "The epoch kept comes first."
    elif got == (wanted[0] - 1, wanted[1] - 1): why = "Epochs are counted from 1."
    expect(list(got), list(wanted), when, why)


@exercise("07.choose")
def check_choose(flattery: callable):
    "Accuracy of the model chosen on the first n items there, minus that on the others."
    expect_call(flattery, [[1, 1, 0, 0], [1, 0, 1, 1]], 2, wanted=1.,
                why="The first model wins on the first two items, and gets both others wrong.")
    expect_call(flattery, [[0, 1, 1, 1], [1, 0, 0, 0]], 2, wanted=-.5,
                why="Both get one of two right: then the first model counts, and it may well do better on the others.")
    rng = np.random.default_rng(7)
    for n_models, n_items, n in (3, 10, 4), (6, 40, 10), (1, 12, 5), (20, 100, 30):
        right = (rng.random((n_models, n_items)) < .7).astype(int)
        winner = right[right[:, :n].sum(axis=1).argmax()]
        wanted = winner[:n].mean() - winner[n:].mean()
        got = call(flattery, right.tolist(), n)
        everywhere = right[right.mean(axis=1).argmax()]
        why = {"The model has to be chosen on the first n items alone.": everywhere[:n].mean() - everywhere[n:].mean(),
               "The others are the items after the first n, without them.": winner[:n].mean() - winner.mean(),
               "On the others, look at the model that was chosen, not at the one that is best there.":
                   winner[:n].mean() - right[:, n:].mean(axis=1).max(),
               "Compare with the same model on the other items, not with the average of all models.":
                   winner[:n].mean() - right[:, n:].mean()}
        why["It is the first part minus the others, so that flattery is positive."] = -wanted
        expect(got, wanted, f"flattery of {n_models} models on {n_items} items with n={n}", mistaken(got, wanted, why))
    expect(call(flattery, right, 30), wanted, "with an array instead of lists, the result")


@exercise("07.stretch")
def check_stretch(mended_loss: callable):
    "Loss on the items after the first n, with the temperature chosen on the first n."
    rng = np.random.default_rng(7)
    for n, total, classes, first, others in (200, 400, 3, 4., 1.), (100, 300, 2, .5, 2.), (150, 250, 5, 1., 4.), (150, 300, 3, 4000., 4000.):
        honest = rng.normal(size=(total, classes))*1.5
        probabilities = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
        labels = np.array([rng.choice(classes, p=p) for p in probabilities])
        logits = honest*np.where(np.arange(total) < n, first, others)[:, None]
        candidates = [8., .25, 1., 2., .5, 4., 16., 4000.]
        def loss(t, rows): return _loss(logits[rows] / t, labels[rows])
        def best(rows, of=loss): return candidates[int(np.argmin([of(t, rows) for t in candidates]))]
        choice, rest = slice(n), slice(n, None)
        t = best(choice)
        wanted, got = loss(t, rest), call(mended_loss, logits, labels, n, list(candidates))
        likely = {"That is the loss of the items on which the temperature was chosen; judge it on the others.": loss(t, choice),
                  "That is the loss on all items; those of the choice have to stay out of it.": loss(t, slice(None)),
                  "The temperature was chosen on the items it is judged on; choose it on the first n alone.": loss(best(rest), rest),
                  "The temperature was chosen on all items; choose it on the first n alone.": loss(best(slice(None)), rest),
                  "That is the chosen temperature; asked for is the loss with it on the other items.": t,
                  "That is the loss without a temperature.": loss(1., rest),
                  "The logits are divided by the temperature, not multiplied.":
                      loss(1/best(choice, lambda t, rows: loss(1/t, rows)), rest),
                  "It is the mean over the items, not their sum.": wanted*(total - n)}
        why = mistaken(got, wanted, likely)
        if first > 1000 and not why: why = "Large logits overflow in np.exp; subtract each row's largest value first."
        expect(got, wanted, f"mended_loss of {total} items and {classes} classes with n={n}", why, tolerance=1e-4)


def _loss(logits, labels) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]).mean())
