"Checks of chapter 07: dropout by hand, early stopping, the winner's flattery."
import numpy as np

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import expect_cases


@exercise("07.warmup")
def check_warmup(dropped: callable):
    "Zeros where the mask is 0; elsewhere x / (1 - p)."
    rng = np.random.default_rng(7)
    cases = [([3., 8., 2., 5., 1., 9.], [1, 0, 0, 1, 1, 0], .25), ([2., 7., 4., 1., 6.], [1]*5, 0.)]
    cases += [(rng.integers(1, 9, size).astype(float).tolist(), rng.integers(0, 2, size).tolist(), p) for size, p in ((4, .5), (3, .9))]
    def right(x, keep, p): return np.array(x)*keep / (1 - p)
    cases.append((rng.normal(size=20), rng.integers(0, 2, 20), .3))   # arrays instead of lists
    expect_cases(dropped, right, [(*case, "It has as many numbers as x.") for case in cases], _other_drops)


def _other_drops(x, keep, p) -> dict:
    x, keep = np.array(x), np.array(keep)
    likely = {"The numbers that stay have to be scaled up, or the next layer sees less in training than later.": x*keep,
              "They are scaled down; the average over many masks has to be x.": x*keep*(1 - p),
              "The zeros of the mask are what goes.": x*(1 - keep) / (1 - p)}
    if p: likely["A number stays with probability 1 - p."] = x*keep / p
    if keep.any(): likely["The scale comes from p, not from how many this one mask happens to keep."] = x*keep*len(x) / keep.sum()
    return likely


def _early_stopping(losses, patience):
    for end in range(1, len(losses) + 1):
        best = 1 + int(np.argmin(losses[:end]))
        if end - best >= patience: return best, end
    return best, end


def _other_epochs(losses, patience) -> dict:
    best, end = _early_stopping(losses, patience)
    return {"The epoch kept comes first.": (end, best), "Epochs are counted from 1.": (best - 1, end - 1)}


@exercise("07.stop")
def check_stop(stops: callable):
    "The epoch kept and the epoch at which the run ends, counted from 1."
    rng = np.random.default_rng(7)
    drawn = [((rng.integers(1, 9, rng.integers(1, 12)) / 10).tolist(), int(rng.integers(1, 4)), "Read the rule again with this curve.")
             for _ in range(30)]
    expect_cases(stops, _early_stopping, [
        ([.9, .7, .8, .75, .6], 2, "Epochs 3 and 4 are no better than epoch 2, and with a patience of 2 the run ends there."),
        ([.9, .8, .7, .6], 1, "A run that improves to the end is never stopped: its last epoch is both."),
        ([.5, .6, .4], 1, "With a patience of 1 the first epoch that is no better ends the run; what comes later is never seen."),
        ([.5, .6, .7], 5, "The patience was never used up: the run goes on to its last epoch, and the best is kept."),
        ([.6, .6, .6, .5], 2, "An equal loss is no improvement."),
        ([.9, .7, .8, .6, .7, .65, .5], 2, "A better epoch starts the waiting anew."),
        ([.8], 1, "One epoch: it is kept, and the run ends with it."),
        *drawn, (np.array([.9, .7, .8, .75]), 2, "The losses may come as an array, too.")], _other_epochs)


def _flattery(right, n) -> float:
    winner = max(np.asarray(right), key=lambda row: row[:n].sum())
    return winner[:n].mean() - winner[n:].mean()


def _other_flatteries(right, n) -> dict:
    right = np.asarray(right)
    if right.shape[1] < 10: return {}   # there mistakes coincide
    winner, everywhere = (max(right, key=lambda row: row[:k].sum()) for k in (n, None))
    return {"The model has to be chosen on the first n items alone.": everywhere[:n].mean() - everywhere[n:].mean(),
            "The others are the items after the first n, without them.": winner[:n].mean() - winner.mean(),
            "On the others, look at the model that was chosen, not at the one that is best there.":
                winner[:n].mean() - right[:, n:].mean(axis=1).max(),
            "Compare with the same model on the other items, not with the average of all models.":
                winner[:n].mean() - right[:, n:].mean(),
            "It is the first part minus the others, so that flattery is positive.": winner[n:].mean() - winner[:n].mean()}


@exercise("07.choose")
def check_choose(flattery: callable):
    "Accuracy of the model chosen on the first n items there, minus that on the others."
    rng = np.random.default_rng(7)
    drawn = [((rng.random(shape) < .7).astype(int), n, "") for *shape, n in ((3, 10, 4), (6, 40, 10), (1, 12, 5), (20, 100, 30))]
    expect_cases(flattery, _flattery, [
        ([[1, 1, 0, 0], [1, 0, 1, 1]], 2, "The first model wins on the first two items, and gets both others wrong."),
        ([[0, 1, 1, 1], [1, 0, 0, 0]], 2, "Both get one of two right: then the first model counts, and it may well do better on the others."),
        *drawn], _other_flatteries)
