"A classifier's head that starts from a probe (Kumar et al. 2022, arXiv:2202.10054: linear probe, then fine-tune)."
import numpy as np
import torch
from torch import nn

from ft_course.core import progress
from ft_course.training import POSITIONS, collate, first_token_only, token_batches

PROBED = 4000   # rows that a probe is fitted on; from there on more hardly move it
STEEPEST = 50.  # most that a head's logit may change, in nats, per change of the features by their own size
STRENGTHS = np.logspace(-4, 0, 5)   # C of the logistic regression, for features of variance 1


def output_layer(model, n_labels: int) -> nn.Linear:
    "The linear layer that gives a classifier's logits. Raises `ValueError` where there is none."
    found = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == n_labels]
    if not found: raise ValueError(f"{type(model).__name__} has no linear layer with {n_labels} outputs; give it head='random'")
    return found[-1]


def features(model, layer, rows, pad_id: int, device) -> np.ndarray:
    "What the output layer is given for each row, shape (n_rows, n_features), in double precision."
    found = np.zeros((len(rows), layer.in_features))
    batches = token_batches([len(row["input_ids"]) for row in rows], POSITIONS.get(str(device), 32_768))
    caught = []
    hook = layer.register_forward_pre_hook(lambda module, inputs: caught.append(inputs[0]))
    try:
        with torch.inference_mode(), first_token_only(model):
            for numbers in progress(batches, "probing", unit="batch"):
                batch = collate([{"input_ids": rows[i]["input_ids"]} for i in numbers], pad_id, device)
                caught.clear()
                model.eval()(**batch)
                found[numbers] = pooled(model, caught[-1], batch).double().cpu().numpy()
    finally: hook.remove()
    return found


def pooled(model, given, batch):
    "Rows of the output layer's input: a decoder scores every position, and only each text's last is asked."
    if given.ndim == 2: return given
    last = batch["attention_mask"].sum(-1) - 1
    return given[torch.arange(len(given), device=given.device), last]


def start_from_probe(model, rows, codes, n_labels: int, pad_id: int, device, seed: int = 0) -> None:
    """Writes into the output layer the logistic regression on the model's own features, its strength chosen on held-out rows;
    rows count by their `weight` where they have one. `STEEPEST` bounds its weights: where the features hardly differ from text
    to text, as in a network that was cut to its first layers, they would be in the hundreds, and training diverge."""
    from sklearn.linear_model import LogisticRegression
    layer, codes = output_layer(model, n_labels), np.asarray(codes)
    order = np.random.default_rng(seed).permutation(len(codes))
    rank = np.zeros(len(codes), int)   # which row of its label a row is
    for code in range(n_labels): rank[order[codes[order] == code]] = np.arange((codes == code).sum())
    chosen = order[np.argsort(rank[order] >= 8, kind="stable")][:PROBED]   # eight of every label, then by chance
    x, y, rank = features(model.to(device), layer, [rows[i] for i in chosen], pad_id, device), codes[chosen], rank[chosen]
    weights = np.array([max(rows[i].get("weight", 1.), 1e-9) for i in chosen])   # held-out rows must not all count nothing
    biased = layer.bias is not None
    mean, scale, size = x.mean(0) if biased else 0., x.std(0) + 1e-6, np.sqrt((x**2).sum(1).mean())
    x = (x - mean)/scale
    def fitted(C, kept):
        return LogisticRegression(C=C, max_iter=300, fit_intercept=biased, tol=1e-3).fit(x[kept], y[kept], weights[kept])
    folds = [held for fold in range(4 if len(y) < 1000 else 1)   # a label's first row is always trained on
             if (held := (rank % 4 == fold) & (rank > 0)).any()]
    def unseen(C):   # loss on rows that the probe has not seen, in nats
        found = []
        for held in folds:
            known, p = fitted(C, ~held), np.full((held.sum(), n_labels), 1e-12)
            p[:, known.classes_] = np.maximum(known.predict_proba(x[held]), 1e-12)
            found.append(-np.log(p[np.arange(len(p)), y[held]]))
        return np.average(np.concatenate(found), weights=np.concatenate([weights[held] for held in folds]))
    losses = {C: unseen(C) for C in STRENGTHS} if folds else {STRENGTHS[0]: np.log(n_labels)}
    C = min(losses, key=losses.get)
    best = fitted(C, np.ones(len(y), bool))
    slopes, bias = best.coef_, best.intercept_
    if n_labels == 2: slopes, bias = np.stack([-slopes[0], slopes[0]])/2, np.array([-1, 1])*bias/2   # two for one
    share = as_sure_as_right(x @ slopes.T + bias, y, losses[C], weights)
    slopes, bias = share*slopes/scale, share*bias
    slopes *= min(1., STEEPEST/max(np.linalg.norm(slopes, 2)*size, 1e-9))   # the largest singular value
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(slopes))
        if biased: layer.bias.copy_(torch.from_numpy(bias - slopes @ mean))


def as_sure_as_right(logits, codes, loss: float, weights=None) -> float:
    """What to multiply the logits by so that their loss is that of unseen rows: a probe that knows its few training rows
    by heart has a loss near zero, and leaves training hardly a gradient."""
    from scipy.optimize import brentq
    from scipy.special import logsumexp
    def above(share):
        losses = logsumexp(share*logits, 1) - share*logits[np.arange(len(codes)), codes]
        return float(np.average(losses, weights=weights)) - loss
    return 1. if above(1.) >= 0 or above(0.) <= 0 else brentq(above, 0., 1.)
