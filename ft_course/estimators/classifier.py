"A scikit-learn classifier over strings."
import warnings

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from torch import nn

from ft_course.core import progress
from ft_course.core.inputs import check_choice, check_labels, check_pairs, check_settings, check_texts, label_codes, row_weights
from ft_course.data import token_lengths
from ft_course.estimators.base import PART, FineTuned
from ft_course.estimators.head import start_from_probe
from ft_course.models import load_classifier, load_tokenizer, resolve_model
from ft_course.training import (POSITIONS, Full, HParams, Labels, Method, Objective, collate, first_token_only,
                                token_batches)

HEADS = ("probe", "random", "keep")
FEW = 16   # rows a label below which a frozen encoder may be as good (chapter 05's table of the defaults)


def not_learnt(steps: list[dict], codes, rate: float, weights=None) -> str:
    """What a run's losses say against it, in a sentence; empty when nothing does. The loss of guessing is the entropy of
    the labels (weighted as the rows are), in nats; ten steps and more are judged."""
    losses, shares = np.array([s["loss"] for s in steps]), np.bincount(codes, weights)
    if len(losses) < 10: return ""
    shares = shares/shares.sum()
    guessing, tenth = -(shares[shares > 0]*np.log(shares[shares > 0])).sum(), max(3, len(losses) // 10)
    first, before, last = losses[:tenth].mean(), losses[-2*tenth:-tenth].mean(), losses[-tenth:].mean()
    if last > max(1.25*first, .9*guessing):
        return (f"The loss went up, from {first:.2f} to {last:.2f} (guessing has {guessing:.2f}): the learning rate {rate} is "
                "too high; try a tenth of it.")
    if last > .9*guessing:
        return (f"Hardly anything was learnt: the loss ends at {last:.2f} and guessing by the labels' shares has {guessing:.2f}. "
                f"Look at the labels, then try more epochs, or a rate three times higher or lower than {rate}.")
    if last < .8*before and last > .3*guessing:
        return f"The loss is still falling ({before:.2f}, then {last:.2f} in the last steps): more epochs would go further."
    return ""


class FineTunedClassifier(ClassifierMixin, FineTuned):
    "A scikit-learn classifier over strings: a pretrained model with a new head, trained by `method`."
    def __init__(self,
        model="minilm",            # alias, folder or Hub id
        method: Method = Full(),   # what trains: a `Method`, or one of peft's configs
        hparams: HParams = HParams(),
        pretrained: bool = True,   # False: the same network from random weights
        random_state: int = 0,     # head, order of the rows, dropout
        callbacks=(),
        layers: int | None = None, # keep only so many layers of the network; None keeps all
        objective: Objective = Labels(),   # what is minimised
        head: str = "probe",       # starts as a logistic regression on the frozen features; or "random"; or "keep" the saved
        class_weight=None,         # None, "balanced", or a dict, as in scikit-learn
        device: str | None = None, # "cpu", "cuda", ...; None: the fastest there is
    ):
        (self.model, self.method, self.hparams, self.pretrained, self.random_state, self.callbacks, self.layers, self.objective,
         self.head, self.class_weight, self.device) = (model, method, hparams, pretrained, random_state, callbacks, layers,
                                                       objective, head, class_weight, device)

    def fit(self, texts, labels, validation=None, sample_weight=None) -> "FineTunedClassifier":
        """Trains on texts and labels, each row's loss times its weight (scaled to 1 on average, whatever batch it is in);
        `validation=(texts, labels)` is scored after every epoch into `history_`. Raises `ValueError` for labels and weights that
        cannot be, and for fewer than two labels."""
        texts, labels = check_pairs(texts, labels)
        check_labels(labels)
        check_choice(head=(self.head, HEADS))
        classes, codes = np.unique(labels, return_inverse=True)
        weights, plain = row_weights(codes, classes, self.class_weight, sample_weight), type(self.objective) is Labels
        check_settings(objective=(self.objective, plain or weights is None, "Labels() where rows have weights"))
        if validation is not None:
            validation = check_pairs(*validation, ("validation texts", "validation labels"))
            label_codes(validation[1], classes, "validation labels")
        tokenizer, seed = load_tokenizer(self.model), self._seed()
        self._warn_if_cut(texts, tokenizer)
        self.classes_ = classes
        model = self._network(self.model, seed)
        with first_token_only(model):
            columns = (texts, codes) if weights is None else (texts, codes, weights / weights.mean())
            self._fit(tokenizer, model, lambda *columns: self._rows(tokenizer, *columns), columns, seed, validation)
        said = not_learnt(self.history_["steps"], codes, self.hparams.learning_rate, weights) if plain else ""
        if not said and plain and self.pretrained and self.history_["steps"] and len(texts) < FEW*len(classes):
            said = (f"{len(texts)} rows for {len(classes)} labels are few: a logistic regression on the frozen encoder "
                    "(EmbeddingClassifier) may be as good and takes seconds; compare the two on validation rows.")
        if said: warnings.warn(said, stacklevel=2)
        return self

    def _network(self, name, seed: int = 0):
        saved = name != self.model   # a folder that `save` wrote is as deep as it is, and has its head
        if self.head == "keep" and not saved:
            from transformers import AutoConfig
            config = AutoConfig.from_pretrained(**resolve_model(name))
            wanted, has = [*map(str, self.classes_)], [*config.id2label.values()]
            if has != wanted or not str(config.architectures).endswith("ForSequenceClassification']"):
                raise ValueError(f"head='keep': {name} has no head for the labels {', '.join(wanted)}; "
                                 "leave head out, or give a model that was trained on them")
        return load_classifier(name, self.classes_.tolist(), saved or self.pretrained, seed, None if saved else self.layers,
                               keep_head=saved or self.head == "keep")

    def _start(self, model, rows, columns, seed, device):
        if self.head == "probe" and self.pretrained:   # random weights have nothing to be asked for
            start_from_probe(model, rows, columns[1], len(self.classes_), self.tokenizer_.pad_token_id, device, seed)

    def _rows(self, tokenizer, texts, codes=None, weights=()):
        rows = self.objective.rows(tokenizer, texts, codes, max_length=self.hparams.max_length)
        for row, weight in zip(rows, weights): row["weight"] = float(weight)
        return rows

    def _warn_if_cut(self, texts, tokenizer):
        limit = self.hparams.max_length
        long = [t for t in texts if len(t) > limit - 4]   # a token has a character or more, a few mark the ends
        lengths = [n for i in range(0, len(long), PART) for n in token_lengths(long[i:i + PART], tokenizer)]
        if (cut := sum(n > limit for n in lengths) / max(1, len(texts))) > .01:
            warnings.warn(f"{cut:.0%} of these {len(texts):,} texts are longer than max_length={limit} tokens "
                          f"and are cut (the longest has {max(lengths):,}); HParams(max_length=...) sets it", stacklevel=3)

    def scores(self, texts, labels) -> dict[str, float]:
        "`validation_loss` in nats and `validation_macro_f1` of the fitted model on these rows."
        from ft_course.evaluation import macro_f1
        codes = torch.from_numpy(label_codes(labels, self.classes_))
        logits = torch.from_numpy(self.logits(texts))
        return {"validation_loss": nn.functional.cross_entropy(logits, codes).item(),
                "validation_macro_f1": macro_f1(codes.numpy(), logits.argmax(-1).numpy())}

    def logits(self, texts) -> np.ndarray:
        "The model's scores before the softmax, shape (n_texts, n_classes)."
        model, texts = self.ready(), check_texts(texts)
        self._warn_if_cut(texts, self.tokenizer_)
        rows = self._rows(self.tokenizer_, texts)
        logits, device = np.zeros((len(rows), len(self.classes_)), dtype=np.float32), next(model.parameters()).device
        batches = token_batches([len(r["input_ids"]) for r in rows], POSITIONS.get(device.type, 32_768))
        with torch.inference_mode(), first_token_only(model):
            for numbers in progress(batches, "predicting", unit="batch"):
                batch = collate([rows[i] for i in numbers], self.tokenizer_.pad_token_id, device)
                logits[numbers] = model(**batch).logits.float().cpu().numpy()
        return logits

    def decision_function(self, texts) -> np.ndarray:
        "The `logits` in scikit-learn's form: of two labels the second's less the first's, shape (n_texts,)."
        logits = self.logits(texts)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, texts) -> np.ndarray:
        "Probability of each of `classes_`, shape (n_texts, n_classes)."
        return torch.from_numpy(self.logits(texts)).softmax(-1).numpy()

    def predict(self, texts) -> np.ndarray:
        "The most probable label of each text, as it was given to `fit`."
        codes = self.logits(texts).argmax(-1)   # says first when nothing is fitted
        return self.classes_[codes]

    def _kept(self): return super()._kept() | {"classes": self.classes_.tolist()}
    def _restore(self, about): self.classes_ = np.array(about["classes"])
