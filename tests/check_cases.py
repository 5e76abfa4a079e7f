"What checks are proved with: per exercise, wrong solutions that people write with a part of the sentence they read, and unusual right ones."
import textwrap

from ft_course.classroom.exercises import Outcome, evaluate_exercise

BEFORE = """
import math, os, random, re, string, time
from collections import Counter, defaultdict
import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import nn
from ft_course.training import Callback
"""


def attempt(name: str, source: str) -> Outcome:
    "The outcome for this source, run in a namespace of its own after what the chapters have imported."
    space = {"__name__": "attempt"}
    exec(BEFORE, space)
    exec(textwrap.dedent(source), space)
    return evaluate_exercise(name, space)


WRONG = {
"01.right": [
("def share_right(truth, answers): return sum(t == a for t, a in zip(truth, answers))", 'One of two answers is right'),
("""
def share_right(truth, answers):
    return 100*sum(t == a for t, a in zip(truth, answers)) / len(truth)
""", 'One of two answers is right'),
("""
def share_right(truth, answers):
    return sum(min(truth.count(l), answers.count(l)) for l in set(truth)) / len(truth)
""", 'The same labels occur, at other places: no answer is right'),
("def share_right(truth, answers): return float(truth == answers)", 'One of two answers is right'),
],
"01.judge": [
("""
def judge(low, high):
    if low > 0: return "better"
    if high < 0: return "worse"
    return "the same within the margin"
""", 'Zero is inside, and so are differences of more than a point'),
("""
def judge(low, high):
    middle = (low + high) / 2
    if abs(middle) < 1: return "the same within the margin"
    return "better" if middle > 0 else "worse"
""", 'Zero is inside, and so are differences of more than a point'),
("""
def judge(low, high):
    if low > -1 and high < 1: return "the same within the margin"
    if low > 0: return "better"
    if high < 0: return "worse"
    return "cannot tell"
""", 'Zero is asked about first: the whole interval lies above it, small as the gain'),
("""
def judge(low, high):
    if low > 0: return "better"
    if high < 0: return "worse"
    if low > -1 or high < 1: return "the same within the margin"
    return "cannot tell"
""", 'Zero is inside, and so are differences of more than a point'),
('def judge(low, high): return "better" if low > 0 else "not better"', "is 'not better', which is none of the four"),
],
"01.cost": [
("""
def cost_of_right(ways, n):
    return {name: 1000*(once + n*each) / n for name, (once, each, accuracy) in ways.items()}
""", 'Ten answers cost 10, five of them are right: 2 for each, 2,000 for a thousand'),
("""
def cost_of_right(ways, n):
    return {name: 1000*(once + each) / accuracy if accuracy else math.inf
            for name, (once, each, accuracy) in ways.items()}
""", 'What is paid once is shared by all right answers'),
("""
def cost_of_right(ways, n):
    return {name: 1000*each / accuracy if accuracy else math.inf
            for name, (once, each, accuracy) in ways.items()}
""", 'What is paid once is shared by all right answers'),
("""
def cost_of_right(ways, n):
    return {name: 1000*(once + n*each) / (n*accuracy) for name, (once, each, accuracy) in ways.items()}
""", 'raised ZeroDivisionError'),
],
"02.softmax": [
("def my_softmax(logits): return np.exp(logits) / np.exp(logits).sum()", 'Which number could be taken off all scores beforehand?'),
("def my_softmax(logits): return [math.exp(x) / sum(math.exp(y) for y in logits) for x in logits]", 'Which number could be taken off all scores beforehand?'),
("def my_softmax(logits): return np.abs(logits) / np.abs(logits).sum()", 'e to the scores is 1 and 3'),
("def my_softmax(logits): return 2**(np.array(logits) - max(logits)) / np.sum(2**(np.array(logits) - max(logits)))", 'e to the scores is 1 and 3'),
("def my_softmax(logits): return np.exp(np.array(logits) - max(logits))", 'e to the scores is 1 and 3'),
],
"02.likelihood": [
("def log_likelihood(logits, ids): return logits.log_softmax(-1).gather(-1, ids[:, None]).sum()", 'The row of a token holds the scores for the *next* one'),
("def log_likelihood(logits, ids): return logits[1:].log_softmax(-1).gather(-1, ids[1:, None]).sum()", 'The row of a token holds the scores for the *next* one'),
("def log_likelihood(logits, ids): return -torch.nn.functional.cross_entropy(logits[:-1], ids[1:])", 'the log-likelihood is their sum'),
("def log_likelihood(logits, ids): return torch.nn.functional.cross_entropy(logits[:-1], ids[1:], reduction='sum')", 'The sign is turned: logarithms of probabilities are negative'),
("def log_likelihood(logits, ids): return sum(row[i] for row, i in zip(logits, ids[1:]))", 'a row has to become log-probabilities first'),
("def log_likelihood(logits, ids): return sum(torch.log(row.exp()[i] / row.exp().sum()) for row, i in zip(logits, ids[1:]))", 'Make log-probabilities at once (`log_softmax`): e to such scores is more than'),
],
"02.mask": [
("def may_look(attention_mask): return np.triu(np.ones((len(attention_mask),)*2)) * np.array(attention_mask)", 'Without padding it is the causal triangle: a token looks at itself and at what'),
("def may_look(attention_mask): return np.tril(np.ones((len(attention_mask),)*2))", 'The first token is padding: its column is False, the others are as they were'),
("def may_look(attention_mask): return np.tril(np.ones((len(attention_mask),)*2)) * np.array(attention_mask)[:, None]", 'The first token is padding: its column is False, the others are as they were'),
("def may_look(attention_mask): return np.tril(np.ones((len(attention_mask),)*2), -1) * np.array(attention_mask)", 'Without padding it is the causal triangle: a token looks at itself and at what'),
("def may_look(attention_mask): return [[bool(a and b) for a in attention_mask] for b in attention_mask]", 'Without padding it is the causal triangle: a token looks at itself and at what'),
],
"03.cut": [
("""
def cut_off(lengths, max_length):
    lost = [max(0, n - max_length) for n in lengths]
    return sum(n >= max_length for n in lengths) / len(lengths), sum(lost) / sum(lengths)
""", 'A text that fits exactly loses nothing'),
("""
def cut_off(lengths, max_length):
    return sum(n > max_length for n in lengths) / len(lengths), sum(n - max_length for n in lengths) / sum(lengths)
""", 'The texts of 30 and 40 tokens are cut, and lose 10 and 20 of the 80 tokens'),
("""
def cut_off(lengths, max_length):
    cut = [n for n in lengths if n > max_length]
    return len(cut) / len(lengths), sum(cut) / sum(lengths)
""", 'The texts of 30 and 40 tokens are cut, and lose 10 and 20 of the 80 tokens'),
("""
def cut_off(lengths, max_length):
    lost = [max(0, n - max_length) for n in lengths]
    return np.mean([l > 0 for l in lost]), np.mean([l / n for l, n in zip(lost, lengths)])
""", 'The texts of 30 and 40 tokens are cut, and lose 10 and 20 of the 80 tokens'),
],
"03.kappa": [
("def my_kappa(one, other): return sum(a == b for a, b in zip(one, other)) / len(one)", 'That is the plain agreement, with the part that chance explains still in it'),
("""
def my_kappa(one, other):
    n, a, b = len(one), Counter(one), Counter(other)
    return sum(x == y for x, y in zip(one, other)) / n - sum(a[k]*b[k] for k in a) / n**2
""", 'kappa is that as a share of what there was to agree beyond chance'),
("""
def my_kappa(one, other):
    n, both = len(one), Counter(one) + Counter(other)
    chance = sum((c / (2*n))**2 for c in both.values())
    return (sum(x == y for x, y in zip(one, other)) / n - chance) / (1 - chance)
""", "Each says a label as often as *they* do: multiply one's share by the other's"),
("""
def my_kappa(one, other):
    observed, chance = np.mean([x == y for x, y in zip(one, other)]), 1/len(set(one))
    return (observed - chance) / (1 - chance)
""", 'Chance is not one over the number of labels: who says a label more often hits'),
("""
def my_kappa(one, other):
    n, a, b = len(one), Counter(one), Counter(other)
    chance = sum(a[k]*b[k] for k in a) / n**2
    return (sum(x == y for x, y in zip(one, other)) / n - chance) / (1 - chance)
""", 'raised ZeroDivisionError'),
],
"03.confuse": [
("""
def confuse(labels, one, other, share, seed):
    labels, rng = list(labels), np.random.default_rng(seed)
    rows = [i for i, l in enumerate(labels) if l == one]
    for row in rng.choice(rows, min(len(rows), round(share*len(labels))), replace=False): labels[row] = other
    return labels
""", 'The share is of the rows labelled business, and each is drawn once at most'),
("""
def confuse(labels, one, other, share, seed):
    rng = np.random.default_rng(seed)
    return [other if l == one and rng.random() < share else l for l in labels]
""", 'The share is of the rows labelled business, and each is drawn once at most'),
("""
def confuse(labels, one, other, share, seed):
    labels = list(labels)
    rows = [i for i, l in enumerate(labels) if l == one]
    for row in rows[:round(share*len(rows))]: labels[row] = other
    return labels
""", 'they have to be drawn at random'),
("""
def confuse(labels, one, other, share, seed):
    rng = np.random.default_rng(seed)
    rows = [i for i, l in enumerate(labels) if l == one]
    for row in rng.choice(rows, round(share*len(rows)), replace=False): labels[row] = other
    return labels
""", 'change a copy, or the right labels are lost'),
("""
def confuse(labels, one, other, share, seed):
    labels, rng = list(labels), np.random.default_rng(seed)
    for a, b in ((one, other), (other, one)):
        rows = [i for i, l in enumerate(labels) if l == a]
        for row in rng.choice(rows, round(share*len(rows)), replace=False): labels[row] = b
    return labels
""", 'only business may become politics'),
],
"03.leak": [
("""
def closest(train, test):
    def likeness(a, b): return len({*a.split()} & {*b.split()}) / len({*a.split()} | {*b.split()})
    table = [[likeness(t, k) for k in train] for t in test]
    return [(int(np.argmax(row)), max(row)) for row in table]
""", 'Four of five word pairs are in both'),
("""
def closest(train, test):
    def pairs(t): return set(zip(t.split(), t.split()[1:]))
    table = [[len(pairs(t) & pairs(k)) / max(1, len(pairs(t))) for k in train] for t in test]
    return [(int(np.argmax(row)), max(row)) for row in table]
""", 'Four of five word pairs are in both'),
("""
def closest(train, test):
    def pairs(t): return set(zip(t.split(), t.split()[1:]))
    table = [[len(pairs(t) & pairs(k)) / len(pairs(t) | pairs(k)) for k in train] for t in test]
    return [(int(np.argmax(row)), max(row)) for row in table]
""", 'raised ZeroDivisionError'),
("""
def closest(train, test):
    def pairs(t): return list(zip(t.split(), t.split()[1:]))
    def likeness(a, b):
        shared = sum(p in b for p in a)
        return shared / (len(a) + len(b) - shared) if a or b else 0
    table = [[likeness(pairs(t), pairs(k)) for k in train] for t in test]
    return [(int(np.argmax(row)), max(row)) for row in table]
""", 'Of several that are equally alike it is the first'),
("""
def closest(train, test):
    def pairs(t): return set(zip(t.split(), t.split()[1:]))
    table = [[len(pairs(t) & pairs(k)) / max(1, len(pairs(t) | pairs(k))) for k in train] for t in test]
    return [(max(row), int(np.argmax(row))) for row in table]
""", 'Four of five word pairs are in both'),
("""
def closest(train, test):
    def pairs(t): return set(zip(t.lower().split(), t.lower().split()[1:]))
    table = [[len(pairs(t) & pairs(k)) / max(1, len(pairs(t) | pairs(k))) for k in train] for t in test]
    return [(int(np.argmax(row)), max(row)) for row in table]
""", '`split()` leaves capitals as they are: `My` and `my` are two words'),
],
"04.f1": [
("""
def my_macro_f1(references, predictions):
    total = 0
    for label in set(references) | set(predictions):
        hits = sum(r == p == label for r, p in zip(references, predictions))
        total += references.count(label) * 2*hits / (references.count(label) + predictions.count(label))
    return total / len(references)
""", 'Each label counts as much as the other, however rare'),
("""
def my_macro_f1(references, predictions):
    scores = []
    for label in set(references):
        hits = sum(r == p == label for r, p in zip(references, predictions))
        scores.append(2*hits / (references.count(label) + predictions.count(label)))
    return sum(scores) / len(scores)
""", 'A label that was answered and never true counts too, with an F1 of 0'),
("def my_macro_f1(references, predictions): return sum(r == p for r, p in zip(references, predictions)) / len(references)", 'Each label counts as much as the other, however rare'),
("""
def my_macro_f1(references, predictions):
    labels, ps, rs = set(references) | set(predictions), [], []
    for label in labels:
        hits = sum(r == p == label for r, p in zip(references, predictions))
        ps.append(hits / max(1, predictions.count(label)))
        rs.append(hits / max(1, references.count(label)))
    p, r = sum(ps) / len(ps), sum(rs) / len(rs)
    return 2*p*r / (p + r)
""", 'is 0.75, and should be 0.666667'),
],
"04.costs": [
("""
def gain(references, predictions, costs):
    return np.mean([0 if r == p else costs.get((r, p), 1) for r, p in zip(references, predictions)])
""", 'It is minus the cost, so that more is better, and the mean over the items'),
("""
def gain(references, predictions, costs):
    return -np.mean([0 if r == p else costs.get((p, r), 1) for r, p in zip(references, predictions)])
""", 'It is minus the cost, so that more is better, and the mean over the items'),
("def gain(references, predictions, costs): return -np.mean([costs.get((r, p), 0) for r, p in zip(references, predictions)])", 'A mistake that is not in the dict costs 1'),
("def gain(references, predictions, costs): return -np.mean([0 if r == p else costs[r, p] for r, p in zip(references, predictions)])", 'raised KeyError'),
],
"04.paired": [
("""
def paired_interval(right_old, right_new):
    rng, n = np.random.default_rng(0), len(right_old)
    a = rng.choice(right_old, (4000, n)).mean(axis=1)
    b = rng.choice(right_new, (4000, n)).mean(axis=1)
    return np.quantile(b - a, [.025, .975])
""", 'That is as wide as if each model had been tested on other items: draw the same'),
("""
def paired_interval(right_old, right_new):
    gain = np.subtract(right_new, right_old)
    draws = np.random.default_rng(0).choice(gain, (4000, len(gain))).mean(axis=1)
    return np.quantile(draws, [.05, .95])
""", '600 items in each draw, and the middle 95 % of the draws'),
("""
def paired_interval(right_old, right_new):
    gain, rng = np.subtract(right_new, right_old), np.random.default_rng(0)
    return np.quantile([rng.permutation(gain).mean() for _ in range(2000)], [.025, .975])
""", 'It has no width: were the items drawn with replacement, as many as there are?'),
("""
def paired_interval(right_old, right_new):
    gain = np.subtract(right_old, right_new)
    draws = np.random.default_rng(0).choice(gain, (4000, len(gain))).mean(axis=1)
    return np.quantile(draws, [.025, .975])
""", 'The sign is turned: it is the new model minus the old one'),
("def paired_interval(right_old, right_new): return np.quantile(np.subtract(right_new, right_old), [.025, .975])", 'Its middle should be near the measured difference, 0.1417'),
],
"05.steps": [
("""
def steps_of_run(rows, batch_size, accumulation, epochs):
    return rows // batch_size // accumulation * epochs
""", 'The last rows make a smaller batch, and it is trained on too'),
("""
def steps_of_run(rows, batch_size, accumulation, epochs):
    return math.ceil(rows*epochs / (batch_size*accumulation))
""", 'A step does not reach into the next epoch: round up before you multiply by the'),
("""
def steps_of_run(rows, batch_size, accumulation, epochs):
    return epochs*math.ceil(rows / batch_size)
""", '`accumulation` batches make one step'),
],
"05.clip": [
("""
def clipped(gradients, max_norm):
    return [g*min(1, max_norm/(g.norm() + 1e-12)) for g in gradients]
""", 'Their norm is that of one long vector, here (6, 8)'),
("def clipped(gradients, max_norm): return [g.clamp(-max_norm, max_norm) for g in gradients]", 'Their norm is that of one long vector, here (6, 8)'),
("""
def clipped(gradients, max_norm):
    norm = sum((g**2).sum() for g in gradients).sqrt()
    return [g*max_norm/norm for g in gradients]
""", 'The norm is below the limit already: nothing changes, above all nothing grows'),
("""
def clipped(gradients, max_norm):
    norm = sum(g.norm() for g in gradients)
    return [g/max(1, norm/max_norm) for g in gradients]
""", 'Their norm is that of one long vector, here (6, 8)'),
],
"05.combine": [
("def combined(gradients, counts): return sum(gradients) / len(gradients)", 'A batch of five weighs more than one of three'),
("def combined(gradients, counts): return sum(gradients)", 'Batches of the same size weigh the same, and the result is a mean, not a sum'),
("""
def combined(gradients, counts):
    return sum(g*n for g, n in zip(gradients, counts)) / len(counts)
""", 'Batches of the same size weigh the same, and the result is a mean, not a sum'),
],
"06.rate_at": [
("""
def rate_at(step, n_steps, peak, warmup):
    if step < warmup: return peak*(step + 1)/warmup
    return peak*(n_steps - step)/(n_steps - warmup)
""", 'the very first step has none of it yet'),
("""
def rate_at(step, n_steps, peak, warmup):
    if step < warmup: return peak*step/warmup
    return peak*(n_steps - step)/n_steps
""", 'When the warm-up is over, the rate is at its peak'),
("def rate_at(step, n_steps, peak, warmup): return peak*min(step/warmup, (n_steps - step)/(n_steps - warmup))", 'raised ZeroDivisionError'),
("def rate_at(step, n_steps, peak, warmup): return peak*min(1, step/max(1, warmup))", 'From the end of the warm-up to the end of the run the rate falls by the same'),
],
"06.decay": [
("def decay_for(share, rates): return (1 - share)/sum(rates)", 'The steps multiply: each one takes its share of what the others have left, not'),
("def decay_for(share, rates): return 1 - share**(1/len(rates))", 'The steps multiply: each one takes its share of what the others have left, not'),
("def decay_for(share, rates): return -np.log(share)/(max(rates)*len(rates))", 'every step shrinks the weight by its *own* rate times the decay'),
("def decay_for(share, rates): return -np.log(1 - share + 1e-12)/sum(rates)", 'After one step `1 - rate*decay` of the weight is left, after two steps the'),
("def decay_for(share, rates): return np.log(share)/sum(rates)", 'The logarithm of a share below 1 is negative'),
("def decay_for(share, rates): return -np.log10(share)/sum(rates)", 'this one has the base 10'),
("""
def decay_for(share, rates):
    left = lambda decay: np.prod([1 - rate*decay for rate in rates])
    return min(range(1000), key=lambda decay: abs(left(decay) - share))
""", 'is 11, and should be 10.5361'),
],
"06.choose": [
("def cheapest(scores, minutes): return max(scores, key=lambda s: np.mean(scores[s]))", 'A setting within one standard error of the best mean is good enough, and then'),
("def cheapest(scores, minutes): return min(minutes, key=minutes.get)", 'A cheap setting that is clearly worse is not good enough'),
("""
def cheapest(scores, minutes):
    means = {s: np.mean(v) for s, v in scores.items()}
    best = max(means, key=means.get)
    error = np.std(scores[best], ddof=1)
    good = [s for s in scores if means[s] >= means[best] - error]
    return min(good, key=lambda s: (minutes[s], -means[s]))
""", 'The limit is the standard *error* of the best mean: the standard deviation'),
("""
def cheapest(scores, minutes):
    means = {s: np.mean(v) for s, v in scores.items()}
    best = max(means, key=means.get)
    error = np.std(scores[best])/len(scores[best])**.5
    good = [s for s in scores if means[s] >= means[best] - error]
    return min(good, key=lambda s: (minutes[s], -means[s]))
""", 'The standard deviation of a few runs divides by their number less one'),
("""
def cheapest(scores, minutes):
    means = {s: max(v) for s, v in scores.items()}
    best = max(means, key=means.get)
    error = np.std(scores[best], ddof=1)/len(scores[best])**.5
    good = [s for s in scores if means[s] >= means[best] - error]
    return min(good, key=lambda s: (minutes[s], -means[s]))
""", 'one lucky run is not the setting'),
("""
def cheapest(scores, minutes):
    error = lambda s: np.std(scores[s], ddof=1)/len(scores[s])**.5
    best = max(scores, key=lambda s: np.mean(scores[s]))
    good = [s for s in scores if np.mean(scores[s]) + error(s) >= np.mean(scores[best])]
    return min(good, key=lambda s: (minutes[s], -np.mean(scores[s])))
""", "The limit comes from the best setting's runs, not from those of the setting"),
],
"07.warmup": [
("def dropped(x, keep, p): return np.array(x)*np.array(keep)", 'The numbers that stay have to be scaled up, or the next layer sees less in'),
("def dropped(x, keep, p): return np.array(x)*np.array(keep) / (p or 1)", 'A number stays with probability 1 - p'),
("def dropped(x, keep, p): return np.array(x)*np.array(keep) / np.mean(keep)", 'The scale comes from p, not from how many this one mask happens to keep'),
("def dropped(x, keep, p): return np.array(x)*(1 - np.array(keep)) / (1 - p)", 'The zeros of the mask are what goes'),
],
"07.stop": [
("""
def stops(losses, patience):
    best = int(np.argmin(losses)) + 1
    return best, min(best + patience, len(losses))
""", 'Epochs 3 and 4 are no better than epoch 2, and with a patience of 2 the run'),
("""
def stops(losses, patience):
    best, kept = float("inf"), 0
    for epoch, loss in enumerate(losses, 1):
        if loss <= best: best, kept = loss, epoch
        elif epoch - kept >= patience: return kept, epoch
    return kept, len(losses)
""", 'An equal loss is no improvement'),
("""
def stops(losses, patience):
    waiting, kept = 0, 1
    for i in range(1, len(losses)):
        if losses[i] < losses[i - 1]: waiting, kept = 0, i + 1
        else: waiting += 1
        if waiting == patience: return kept, i + 1
    return kept, len(losses)
""", 'Epochs 3 and 4 are no better than epoch 2, and with a patience of 2 the run'),
("""
def stops(losses, patience):
    best, kept = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < best: best, kept = loss, epoch
        elif epoch - kept >= patience: return kept, epoch
    return kept, len(losses) - 1
""", 'Epochs are counted from 1'),
("""
def stops(losses, patience):
    best, kept = float("inf"), 0
    for epoch, loss in enumerate(losses, 1):
        if loss < best: best, kept = loss, epoch
        elif epoch - kept > patience: return kept, epoch
    return kept, len(losses)
""", 'Epochs 3 and 4 are no better than epoch 2, and with a patience of 2 the run'),
],
"07.choose": [
("""
def flattery(right, n):
    right = np.array(right)
    best = right[right.mean(1).argmax()]
    return best[:n].mean() - best[n:].mean()
""", 'The first model wins on the first two items, and gets both others wrong'),
("""
def flattery(right, n):
    right = np.array(right)
    return right[:, :n].mean(1).max() - right[:, n:].mean(1).max()
""", 'The first model wins on the first two items, and gets both others wrong'),
("""
def flattery(right, n):
    right = np.array(right)
    best = right[right[:, :n].mean(1).argmax()]
    return best[:n].mean() - best.mean()
""", 'The first model wins on the first two items, and gets both others wrong'),
("""
def flattery(right, n):
    right = np.array(right)
    best = right[right[:, :n].mean(1).argmax()]
    return best[n:].mean() - best[:n].mean()
""", 'The first model wins on the first two items, and gets both others wrong'),
],
"08.labels": [
("""
def label_probabilities(logs, normalize=False):
    odds = {label: np.exp(v[0]) for label, v in logs.items()}
    return {label: o/sum(odds.values()) for label, o in odds.items()}
""", 'The score of a word is the sum over its tokens'),
("""
def label_probabilities(logs, normalize=False):
    odds = {label: np.exp(np.mean(v)) for label, v in logs.items()}
    return {label: o/sum(odds.values()) for label, o in odds.items()}
""", 'The score of a word is the sum over its tokens'),
("""
def label_probabilities(logs, normalize=False):
    return {label: np.exp(sum(v)/len(v) if normalize else sum(v)) for label, v in logs.items()}
""", 'Among these labels the probabilities add up to 1'),
("""
def label_probabilities(logs, normalize=False):
    odds = {label: np.exp(sum(v)/len(v) if normalize else sum(v)) for label, v in logs.items()}
    return {label: o/sum(odds.values()) for label, o in odds.items()}
""", 'The exponential of a very small score is zero: take away the largest score first'),
],
"08.luck": [
("""
def luck(scores):
    scores = np.asarray(scores, float)
    each, a = scores.mean(axis=0), scores.mean()
    return each.std(ddof=1), np.sqrt(a*(1 - a)/scores.shape[1])
""", 'The first is the standard deviation of one accuracy a wording, dividing by their'),
("""
def luck(scores):
    scores = np.asarray(scores, float)
    each, a = scores.mean(axis=1), scores.mean()
    return each.std(), np.sqrt(a*(1 - a)/scores.shape[1])
""", 'The first is the standard deviation of one accuracy a wording, dividing by their'),
("""
def luck(scores):
    scores = np.asarray(scores, float)
    each, a = scores.mean(axis=1), scores.mean()
    return each.std(ddof=1), np.sqrt(a*(1 - a)/scores.size)
""", 'the second the root of a(1 - a)/n, with the accuracy of all wordings together and'),
],
"08.pays": [
("""
def break_even(shared, own, price, discount, once, each):
    saved = (shared + own)*price/1e6 - each
    return math.inf if saved <= 0 else math.ceil(once/saved - 1e-6)
""", 'Shared tokens cost only the share `discount` of the price'),
("""
def break_even(shared, own, price, discount, once, each):
    return math.ceil(once / ((shared*discount + own)*price/1e6) - 1e-6)
""", 'The own model costs something for every text, too: only the difference is saved'),
("""
def break_even(shared, own, price, discount, once, each):
    prompt = (shared*discount + own)*price/1e6
    return math.ceil(once/(prompt - each) - 1e-6) if prompt != each else math.inf
""", 'Where the own model is dearer for each text, it never pays: `math.inf`'),
],
"09.mean": [
("""
def mean_vectors(states, mask):
    mean = states.mean(1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)
""", 'Padding is in the mean: positions where the mask is 0 must not count'),
("""
def mean_vectors(states, mask):
    return (states*mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
""", 'The vectors are not of length 1 yet'),
("""
def mean_vectors(states, mask):
    mean = (states*mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
    return mean / np.linalg.norm(mean)
""", 'each text has a length of its own'),
],
"09.suspects": [
("""
def suspects(vectors, labels, k):
    best = np.argsort(-vectors @ vectors.T, axis=1)[:, :k]
    return [i for i in range(len(labels)) if Counter(labels[j] for j in best[i]).most_common(1)[0][0] != labels[i]]
""", 'it is always its own nearest'),
("""
def suspects(vectors, labels, k):
    c = vectors @ vectors.T
    np.fill_diagonal(c, -1)
    best = np.argsort(-c, axis=1)[:, :k]
    return [i for i in range(len(labels)) if Counter(labels[j] for j in best[i]).most_common(1)[0][0] != labels[i]]
""", "Where two labels have the same number of votes and one of them is the text's"),
("""
def suspects(vectors, labels, k):
    found = []
    for i, row in enumerate(np.argsort(-(vectors @ vectors.T), axis=1, kind="stable")[:, 1:k + 1]):
        votes = Counter(labels[j] for j in row)
        if votes[labels[i]] < max(votes.values()): found.append(i)
    return found
""", 'A text that stands there twice is not always the first in its own row: leave'),
],
"09.spread": [
("""
def spread(vectors, n, start):
    chosen = [start]
    while len(chosen) < n:
        score = (vectors @ vectors[chosen].T).mean(1)
        score[chosen] = 9
        chosen.append(int(score.argmin()))
    return chosen
""", 'one chosen neighbour close by is enough to make a text superfluous'),
("""
def spread(vectors, n, start):
    chosen = [start]
    while len(chosen) < n:
        score = vectors @ vectors[chosen[-1]]
        score[chosen] = 9
        chosen.append(int(score.argmin()))
    return chosen
""", 'it has to be far from all chosen ones'),
("""
def spread(vectors, n, start):
    return np.argsort(-(vectors @ vectors[start]))[:n].tolist()
""", 'the next one should be far from all that are chosen'),
("""
def spread(vectors, n, start):
    chosen = [start]
    while len(chosen) < n:
        near = (vectors @ vectors[chosen].T).max(1)
        near[chosen] = 9
        chosen.append(int(len(near) - 1 - near[::-1].argmin()))
    return chosen
""", 'Of texts that are equally far the one with the lower row number is next'),
],
"10.fuse": [
("""
def fuse(rankings, constant):
    total = Counter()
    for ranking in rankings:
        for i, name in enumerate(ranking): total[name] += 1/(constant + i)
    return [n for n, s in total.most_common()]
""", 'raised ZeroDivisionError'),
("""
def fuse(rankings, constant):
    total = Counter()
    for ranking in rankings:
        for i, name in enumerate(ranking): total[name] += i + 1
    return sorted(total, key=lambda n: total[n])
""", 'A document that stands in both rankings gets something from both'),
("""
def fuse(rankings, constant):
    best = {}
    for ranking in rankings:
        for i, name in enumerate(ranking): best[name] = max(best.get(name, 0), 1/(constant + i + 1))
    return sorted(best, key=lambda n: -best[n])
""", 'A document that stands in both rankings gets something from both'),
],
"10.threshold": [
("""
def best_threshold(scores, answerable, invented, refused):
    def cost(t): return sum(refused*(s >= t) if not a else invented*(s < t) for s, a in zip(scores, answerable))
    return min(sorted(scores), key=cost)
""", 'at .9 one question is refused and none invented'),
("""
def best_threshold(scores, answerable, invented, refused):
    def cost(t): return sum(invented*(s > t) if not a else refused*(s <= t) for s, a in zip(scores, answerable))
    return min(sorted(scores), key=cost)
""", 'at .9 one question is refused and none invented'),
("""
def best_threshold(scores, answerable, invented, refused):
    def cost(t): return sum(invented*(s >= t) if not a else refused*(s < t) for s, a in zip(scores, answerable))
    return min(sorted(scores, reverse=True), key=cost)
""", 'costs as little and answers more'),
("""
def best_threshold(scores, answerable, invented, refused):
    s = sorted(scores)
    tries = [(a + b)/2 for a, b in zip(s, s[1:])] or s
    def cost(t): return sum(invented*(x >= t) if not a else refused*(x < t) for x, a in zip(scores, answerable))
    return min(tries, key=cost)
""", 'Try each score as the threshold'),
],
"10.diverse": [
('def diverse(query, vectors, k, balance): return np.argsort(-(vectors @ query), kind="stable")[:k].tolist()', 'The twin of a passage that is picked already adds nothing new'),
("""
def diverse(query, vectors, k, balance):
    near, picked = vectors @ query, []
    while len(picked) < min(k, len(vectors)):
        again = vectors @ vectors[picked[-1]] if picked else np.zeros(len(vectors))
        value = balance*near - (1 - balance)*again
        value[picked] = -np.inf
        picked.append(int(value.argmax()))
    return picked
""", 'The value is balance*near - (1 - balance)*(largest similarity to one that is'),
("""
def diverse(query, vectors, k, balance):
    near, picked = vectors @ query, []
    while len(picked) < min(k, len(vectors)):
        again = (vectors @ vectors[picked].T).mean(axis=1) if picked else np.zeros(len(vectors))
        value = balance*near - (1 - balance)*again
        value[picked] = -np.inf
        picked.append(int(value.argmax()))
    return picked
""", 'The value is balance*near - (1 - balance)*(largest similarity to one that is'),
("""
def diverse(query, vectors, k, balance):
    near, picked = vectors @ query, []
    for _ in range(min(k, len(vectors))):
        again = (vectors @ vectors[picked].T).max(axis=1) if picked else np.zeros(len(vectors))
        picked.append(int((balance*near - (1 - balance)*again).argmax()))
    return picked
""", 'With a balance of 1 only the nearness to the query counts'),
],
"12.size": [
("""
def lora_mb(layers, r):
    return sum(r*(i + o) for i, o in layers) / 1e6
""", 'That counts numbers; each takes four bytes'),
("""
def lora_mb(layers, r):
    return sum(4*r*i for i, o in layers) / 1e6
""", 'One of them is missing'),
("""
def lora_mb(layers, r):
    return 4*r*sum(i + o for i, o in layers) / 1024**2
""", 'not 1,024 times 1,024'),
],
"12.fold": [
("""
def fold(W, A, B, alpha, sign=1):
    return W + sign*(B @ A)
""", 'The update is scaled by alpha / r'),
("""
def fold(W, A, B, alpha, sign=1):
    return W + sign*A.shape[0]/alpha*(B @ A)
""", 'The factor is upside down'),
("""
def fold(W, A, B, alpha, sign=1):
    W += sign*alpha/len(A)*(B @ A)
    return W
""", 'has changed; return a new one'),
("""
def fold(W, A, B, alpha, sign=1):
    return W + alpha/len(A)*(B @ A)
""", 'With sign=-1 the update comes out again'),
],
"12.decide": [
("""
def decide(rows, before, allowed, margin):
    good = {n: numbers for n, (low, high, numbers, old) in rows.items() if low > -margin}
    return (min(good, key=good.get), "smallest that is good enough") if good else (None, "nothing qualifies")
""", 'A row that breaks the old task may not be chosen'),
("""
def decide(rows, before, allowed, margin):
    good = {n: numbers for n, (low, high, numbers, old) in rows.items() if low > -margin and old <= allowed}
    return (min(good, key=good.get), "smallest that is good enough") if good else (None, "nothing qualifies")
""", "is counted from the untouched network's loss"),
("""
def decide(rows, before, allowed, margin):
    good = {n: numbers for n, (low, high, numbers, old) in rows.items() if high > -margin and old <= before + allowed}
    return (min(good, key=good.get), "smallest that is good enough") if good else (None, "nothing qualifies")
""", 'that asks only for its upper end'),
],
}

RIGHT = {
"01.right": [
"def share_right(truth, answers): return np.mean(np.array(truth) == np.array(answers))",
"""
def share_right(truth, answers):
    right = 0
    for i in range(len(truth)):
        if truth[i] == answers[i]: right += 1
    return right / len(truth)
""",
"""
from sklearn.metrics import accuracy_score
share_right = accuracy_score
""",
],
"01.judge": [
"""
def judge(low, high):
    if low <= 0 <= high:
        return "the same within the margin" if max(abs(low), abs(high)) < 1 else "cannot tell"
    return "better" if low > 0 else "worse"
""",
"""
def judge(low, high):
    verdict = "cannot tell"
    if low > -1 and high < 1: verdict = "the same within the margin"
    if low > 0: verdict = "better"
    elif high < 0: verdict = "worse"
    return verdict
""",
],
"01.cost": [
"""
def cost_of_right(ways, n):
    return {name: (1000*(w[0] + n*w[1]) / (n*w[2]) if w[2] > 0 else float("inf")) for name, w in ways.items()}
""",
"""
def cost_of_right(ways, n):
    out = dict()
    for name in ways:
        once, each, accuracy = ways[name]
        try: out[name] = (once/n + each) / accuracy * 1000
        except ZeroDivisionError: out[name] = np.inf
    return out
""",
],
"02.softmax": [
"def my_softmax(logits): return (logits - logits.max()).exp() / (logits - logits.max()).exp().sum()",
"""
def my_softmax(logits):
    largest = max(logits)
    powers = [math.e**(x - largest) for x in logits]
    return [p / sum(powers) for p in powers]
""",
],
"02.likelihood": [
"""
def log_likelihood(logits, ids):
    return logits[:-1].log_softmax(-1).gather(-1, ids[1:, None]).sum()
""",
"def log_likelihood(logits, ids): return -torch.nn.functional.cross_entropy(logits[:-1], ids[1:], reduction='sum')",
"""
def log_likelihood(logits, ids):
    total = 0
    for i in range(1, len(ids)):
        row = logits[i - 1] - np.max(logits[i - 1])
        total += row[ids[i]] - np.log(np.sum(np.exp(row)))
    return total
""",
],
"02.mask": [
"def may_look(attention_mask): return torch.ones(len(attention_mask), len(attention_mask)).bool().tril() & torch.tensor(attention_mask).bool()[None]",
"def may_look(attention_mask): return attention_mask.bool() & torch.ones(len(attention_mask), len(attention_mask)).bool().tril()",
"def may_look(attention_mask): return np.tril(np.ones((len(attention_mask),)*2)) * np.array(attention_mask)",
],
"03.cut": [
"""
def cut_off(lengths, max_length):
    lengths = np.array(lengths)
    return np.array([(lengths > max_length).mean(), 1 - np.minimum(lengths, max_length).sum()/lengths.sum()])
""",
],
"03.kappa": [
"""
def my_kappa(one, other):
    names = sorted({*one, *other})
    table = np.zeros((len(names), len(names)))
    for a, b in zip(one, other): table[names.index(a), names.index(b)] += 1
    table /= table.sum()
    expected = table.sum(0) @ table.sum(1)
    return (np.trace(table) - expected) / (1 - expected) if expected < 1 else 0
""",
],
"03.confuse": [
"""
def confuse(labels, one, other, share, seed):
    rng, changed = random.Random(seed), np.array(labels, dtype=object)
    rows = [i for i, l in enumerate(labels) if l == one]
    changed[rng.sample(rows, int(share*len(rows) + .5))] = other
    return changed
""",
],
"03.leak": [
"""
def closest(train, test):
    def pairs(t): return set(zip(t.split(), t.split()[1:]))
    found = []
    for t in test:
        row, best = None, 0.
        for i, k in enumerate(train):
            both, either = pairs(t) & pairs(k), pairs(t) | pairs(k)
            if either and len(both)/len(either) > best: row, best = i, len(both)/len(either)
        found.append((row, best))
    return found
""",
"""
def closest(train, test):
    answers = []
    for text in test:
        best, best_row, words = 0, 0, text.split()
        mine = {words[i] + " " + words[i + 1] for i in range(len(words) - 1)}
        for row, other in enumerate(train):
            words = other.split()
            theirs = {words[i] + " " + words[i + 1] for i in range(len(words) - 1)}
            if mine or theirs:
                value = len(mine.intersection(theirs)) / len(mine.union(theirs))
                if value > best: best, best_row = value, row
        answers.append([best_row, best])
    return answers
""",
],
"04.f1": [
"""
def my_macro_f1(references, predictions):
    references, predictions = np.array(references), np.array(predictions)
    scores = []
    for label in np.unique(np.concatenate([references, predictions])):
        tp = np.sum((references == label) & (predictions == label))
        fp = np.sum((references != label) & (predictions == label))
        fn = np.sum((references == label) & (predictions != label))
        precision = tp / (tp + fp) if tp + fp else 0
        recall = tp / (tp + fn) if tp + fn else 0
        scores.append(2*precision*recall/(precision + recall) if precision + recall else 0)
    return np.mean(scores)
""",
],
"04.paired": [
"""
def paired_interval(right_old, right_new):
    n, means = len(right_old), []
    for _ in range(2000):
        items = np.random.randint(0, n, n)
        means.append(np.array(right_new)[items].mean() - np.array(right_old)[items].mean())
    means.sort()
    return [means[50], means[-51]]
""",
],
"04.costs": [
"""
def gain(references, predictions, costs):
    total = 0
    for r, p in zip(references, predictions):
        if r != p:
            total += costs[r, p] if (r, p) in costs else 1
    return -total / len(references)
""",
],
"05.steps": [
"""
def steps_of_run(rows, batch_size, accumulation, epochs):
    steps = 0
    for epoch in range(epochs):
        left = rows
        while left > 0:
            left -= batch_size*accumulation
            steps += 1
    return steps
""",
"steps_of_run = lambda r, b, a, e: e * -(-r // (b*a))",
"""
def steps_of_run(rows, batch_size, accumulation, epochs):
    return epochs*np.ceil(np.ceil(rows/batch_size)/accumulation)
""",
],
"05.clip": [
"""
def clipped(gradients, max_norm):
    norm = torch.cat([g.reshape(-1) for g in gradients]).norm()
    if norm <= max_norm: return gradients
    return [g*max_norm/norm for g in gradients]
""",
"""
def clipped(gradients, max_norm):
    parameters = []
    for g in gradients:
        p = nn.Parameter(torch.zeros_like(g)); p.grad = g.clone()
        parameters.append(p)
    nn.utils.clip_grad_norm_(parameters, max_norm)
    return [p.grad for p in parameters]
""",
"""
def clipped(gradients, max_norm):
    norm = math.sqrt(sum(x**2 for g in gradients for x in g.flatten().tolist()))
    factor = max_norm/norm if norm > max_norm else 1
    return [np.array(g)*factor for g in gradients]
""",
],
"05.combine": [
"""
def combined(gradients, counts):
    shares = torch.tensor(counts) / sum(counts)
    return (torch.stack(gradients)*shares[:, None]).sum(0)
""",
"""
def combined(gradients, counts):
    return np.average([g.tolist() for g in gradients], axis=0, weights=counts)
""",
"""
def combined(gradients, counts):
    total = torch.zeros_like(gradients[0])
    for g, n in zip(gradients, counts): total += g*n/sum(counts)
    return total
""",
],
"06.rate_at": [
"""
import torch
def rate_at(step, n_steps, peak, warmup):
    rising = torch.tensor(step / max(warmup, 1) if warmup else 1.)
    return peak*torch.minimum(rising, torch.tensor((n_steps - step)/(n_steps - warmup)))
""",
"""
import numpy as np
def rate_at(step, n_steps, peak, warmup):
    if warmup == 0: return np.interp(step, [0, n_steps], [peak, 0])
    return np.interp(step, [0, warmup, n_steps], [0, peak, 0])
""",
],
"06.decay": [
"""
def decay_for(share, rates):
    low, high = 0., 1/max(rates)
    for _ in range(200):
        middle = (low + high)/2
        left = 1.
        for rate in rates: left *= 1 - rate*middle
        if left > share: low = middle
        else: high = middle
    return middle
""",
],
"06.choose": [
"""
import statistics
def cheapest(scores, minutes):
    rows = sorted(((statistics.mean(v), name) for name, v in scores.items()), reverse=True)
    best_mean, best = rows[0]
    limit = best_mean - statistics.stdev(scores[best]) / len(scores[best])**.5
    good = [(minutes[name], -mean, name) for mean, name in rows if mean >= limit]
    return min(good)[2]
""",
],
"07.warmup": [
"""
def dropped(x, keep, p):
    out = []
    for value, stays in zip(x, keep): out.append(value / (1 - p) if stays else 0.)
    return out
""",
"""
def dropped(x, keep, p):
    return torch.as_tensor(x)*torch.as_tensor(keep)/(1 - p)
""",
],
"07.stop": [
"""
def stops(losses, patience):
    losses = list(losses)
    for end in range(1, len(losses) + 1):
        best = losses.index(min(losses[:end])) + 1
        if end - best == patience: break
    return [best, end]
""",
"""
def stops(losses, patience):
    best_loss, best, waiting = losses[0], 1, 0
    for i in range(1, len(losses)):
        if losses[i] < best_loss: best_loss, best, waiting = losses[i], i + 1, 0
        else:
            waiting += 1
            if waiting == patience: return best, i + 1
    return best, len(losses)
""",
],
"07.choose": [
"""
def flattery(right, n):
    best, best_score = None, -1
    for row in right:
        score = sum(row[:n]) / n
        if score > best_score: best, best_score = list(row), score
    return best_score - sum(best[n:]) / len(best[n:])
""",
],
"08.labels": [
"""
import torch
def label_probabilities(logs, normalize=False):
    scores = torch.tensor([sum(v)/(len(v) if normalize else 1) for v in logs.values()])
    return dict(zip(logs, scores.softmax(0)))
""",
],
"08.luck": [
"""
import statistics
def luck(scores):
    each = [sum(row)/len(row) for row in scores]
    a = sum(each)/len(each)
    return [statistics.stdev(each), (a*(1 - a)/len(scores[0]))**.5]
""",
],
"08.pays": [
"""
def break_even(shared, own, price, discount, once, each):
    saved = shared*discount*price/1e6 + own*price/1e6 - each
    if saved <= 1e-15: return float("inf")
    return int(np.ceil(round(once/saved, 6)))
""",
],
"09.mean": [
"""
def mean_vectors(states, mask):
    states, mask = torch.tensor(states), torch.tensor(mask)
    return torch.nn.functional.normalize((states*mask.unsqueeze(-1)).sum(1), dim=-1)
""",
"""
def mean_vectors(states, mask):
    out = []
    for s, m in zip(states, mask):
        v = np.mean([x for x, keep in zip(s, m) if keep], axis=0)
        out.append((v / (v**2).sum()**.5).tolist())
    return out
""",
],
"09.suspects": [
"""
def suspects(vectors, labels, k):
    found = []
    for i, v in enumerate(vectors):
        others = sorted((j for j in range(len(vectors)) if j != i), key=lambda j: -(v @ vectors[j]))[:k]
        votes = Counter(labels[j] for j in others)
        if votes[labels[i]] < votes.most_common(1)[0][1]: found.append(i)
    return np.array(found)
""",
"""
def suspects(vectors, labels, k):
    v = torch.tensor(vectors)
    c = (v @ v.T).fill_diagonal_(-2)
    names = sorted(set(labels))
    y = torch.tensor([names.index(l) for l in labels])
    counts = torch.nn.functional.one_hot(y[c.topk(k).indices], len(names)).sum(1)
    return torch.nonzero(counts.gather(1, y[:, None])[:, 0] < counts.max(1).values)[:, 0]
""",
],
"09.spread": [
"""
def spread(vectors, n, start):
    chosen = [start]
    for _ in range(n - 1):
        rest = [i for i in range(len(vectors)) if i not in chosen]
        chosen.append(min(rest, key=lambda i: max(float(vectors[i] @ vectors[j]) for j in chosen)))
    return chosen
""",
"""
def spread(vectors, n, start):
    v = torch.tensor(vectors)
    chosen = [start]
    while len(chosen) < n:
        near = (v @ v[chosen].T).max(1).values
        near[chosen] = 9.
        chosen.append(int(near.argmin()))
    return torch.tensor(chosen)
""",
],
"10.fuse": [
"""
def fuse(rankings, constant):
    total = defaultdict(float)
    for ranking in rankings:
        for i, name in enumerate(ranking): total[name] += 1/(constant + i + 1)
    return [n for n, s in Counter(total).most_common()]
""",
],
"10.threshold": [
"""
def best_threshold(scores, answerable, invented, refused):
    s, a = np.array(scores), np.array(answerable)
    tries = np.unique(s)
    costs = [invented*((s >= t) & ~a).sum() + refused*((s < t) & a).sum() for t in tries]
    return tries[int(np.argmin(costs))]
""",
],
"10.diverse": [
"""
def diverse(query, vectors, k, balance):
    left, picked = list(range(len(vectors))), []
    while left and len(picked) < k:
        def value(i):
            again = max((float(vectors[i] @ vectors[j]) for j in picked), default=0.)
            return balance*float(vectors[i] @ query) - (1 - balance)*again
        best = max(left, key=value)
        picked.append(best); left.remove(best)
    return picked
""",
],
"12.size": [
"""
def lora_mb(layers, r):
    total = 0
    for inputs, outputs in layers: total += np.zeros((r, inputs), dtype=np.float32).nbytes + np.zeros((outputs, r), dtype=np.float32).nbytes
    return total/1_000_000
""",
],
"12.fold": [
"""
def fold(W, A, B, alpha, sign=1):
    W, A, B = (torch.tensor(m) for m in (W, A, B))
    out = W.clone()
    for k in range(A.shape[0]): out = out + sign*alpha/A.shape[0]*torch.outer(B[:, k], A[k])
    return out
""",
],
"12.decide": [
"""
def decide(rows, before, allowed, margin):
    for name, (low, high, numbers, old) in sorted(rows.items(), key=lambda item: item[1][2]):
        if not (low <= -margin or old - before > allowed + 1e-12): return [name, "smallest that is good enough"]
    return None, "nothing qualifies"
""",
],
}
