"Blind solutions to the exercises of chapters 01 to 07: WRONG are mistakes, RIGHT are right in an unusual way."

WRONG = [
# what is paid once is spread over all n texts, not over the right answers only (the example has nothing paid once)
("01.cost", '''
import math

def cost_of_right(ways, n):
    costs = {}
    for name, (once, each, accuracy) in ways.items():
        if accuracy == 0:
            costs[name] = math.inf
        else:
            costs[name] = 1000 * (once / n + each / accuracy)
    return costs
'''),

# forgets the shift: the scores of a token's own row are read, not those of the row before it
("02.likelihood", '''
import torch

def log_likelihood(logits, ids):
    logs = torch.log_softmax(logits[1:], dim=-1)
    return logs.gather(1, ids[1:, None]).sum()
'''),

# chance taken as one over the number of labels, whatever the people's habits (right in the example)
("03.kappa", '''
def my_kappa(one, other):
    observed = sum(a == b for a, b in zip(one, other)) / len(one)
    chance = 1 / len(set(one) | set(other))
    return (observed - chance) / (1 - chance) if chance < 1 else 0.
'''),

# `or 1`: a mistake that is in the dict with a cost of 0 costs 1
("04.costs", '''
def gain(references, predictions, costs):
    total = 0
    for r, p in zip(references, predictions):
        if r != p:
            total += costs.get((r, p)) or 1
    return -total / len(references)
'''),

# of equally cheap settings the one named first, not the one with the higher mean
("06.choose", '''
import statistics

def cheapest(scores, minutes):
    means = {name: statistics.mean(values) for name, values in scores.items()}
    best = max(means, key=means.get)
    error = statistics.stdev(scores[best]) / len(scores[best]) ** .5
    enough = [name for name in scores if means[name] >= means[best] - error]
    return min(enough, key=minutes.get)
'''),

# scales by the share that this one mask happened to keep, not by the share that is kept on average
("07.warmup", '''
import numpy as np

def dropped(x, keep, p):
    x, keep = np.asarray(x, dtype=float), np.asarray(keep)
    return x * keep / keep.mean()
'''),

# of several equally good models the last (argsort), not the first
("07.choose", '''
import numpy as np

def flattery(right, n):
    right = np.asarray(right)
    chosen = right[:, :n].sum(axis=1).argsort(kind="stable")[-1]
    return float(right[chosen, :n].mean() - right[chosen, n:].mean())
'''),
]

RIGHT = [
# an object with __call__, the verdict from the signs of the two ends
("01.judge", '''
class Judge:
    def __init__(self, margin): self.margin = margin

    def __call__(self, low, high):
        signs = {(end > 0) - (end < 0) for end in (low, high)}
        if signs == {1}: return "better"
        if signs == {-1}: return "worse"
        return "the same within the margin" if max(-low, high) <= self.margin else "cannot tell"

judge = Judge(1)
'''),

# lambdas; the logarithm of the sum is folded pair by pair with reduce, a tuple comes back
("02.softmax", '''
import math
from functools import reduce

def log_add(a, b):
    big, small = max(a, b), min(a, b)
    return big + math.log1p(math.exp(small - big))

my_softmax = lambda logits: (lambda whole: tuple(math.exp(x - whole) for x in logits))(reduce(log_add, logits))
'''),

# Python's own random numbers and a comprehension
("03.confuse", '''
import random

def confuse(labels, one, other, share, seed):
    rows = [i for i, label in enumerate(labels) if label == one]
    chosen = set(random.Random(seed).sample(rows, round(share * len(rows))))
    return [other if i in chosen else label for i, label in enumerate(labels)]
'''),

# draws no items: the numbers of gains, ties and losses in a redrawn test set are multinomial
("04.paired", '''
import numpy as np

def paired_interval(right_old, right_new):
    difference = np.asarray(right_new, dtype=int) - np.asarray(right_old, dtype=int)
    n = len(difference)
    shares = [np.mean(difference == d) for d in (-1, 0, 1)]
    worse, _, better = np.random.default_rng().multinomial(n, shares, size=20_000).T
    return tuple(float(end) for end in np.quantile((better - worse) / n, [.025, .975]))
'''),

# a running mean, corrected by each batch in proportion to its weight so far
("05.combine", '''
def combined(gradients, counts):
    mean, seen = 0, 0
    for gradient, count in zip(gradients, counts):
        if count == 0: continue
        seen = seen + count
        mean = mean + (gradient - mean) * (count / seen)
    return mean
'''),

# no formula: halves an interval until the product of all the steps' factors leaves the share
("06.decay", '''
import math

def decay_for(share, rates):
    low, high = 0., 1 / max(rates)
    for _ in range(200):
        middle = (low + high) / 2
        if math.prod(1 - rate * middle for rate in rates) > share: low = middle
        else: high = middle
    return (low + high) / 2
'''),

]
