"One text through two models that share a base: what each answers, and in which layers they part."
import html

import numpy as np

from ft_course.estimators import FineTunedClassifier, FineTunedGenerator
from ft_course.models import model_identity
from ft_course.training import layer_stack
from ft_course.widgets.asking import AskPanel, bars
from ft_course.widgets.svg import BLUE

NEXT = 5   # tokens of a language model that are shown


def layer_states(model, ids) -> list:
    "What comes out of each layer for one text, shape (n_tokens, hidden), trained tokens in front of it left out."
    import torch
    found, length = [], len(ids)
    def keep(module, inputs, out): found.append((out[0] if isinstance(out, tuple) else out)[0, -length:].float().cpu().numpy())
    hooks = [layer.register_forward_hook(keep) for layer in layer_stack(model)[1]]
    try:
        with torch.inference_mode(): model(input_ids=torch.tensor([ids], device=next(model.parameters()).device))
    finally:
        for hook in hooks: hook.remove()
    return found


def parted(before: list, after: list) -> list[float]:
    "For each layer 1 less the mean cosine between a token's two states: 0 where nothing has changed."
    def cosine(a, b): return (a*b).sum(-1) / np.maximum(np.linalg.norm(a, axis=-1)*np.linalg.norm(b, axis=-1), 1e-12)
    return [max(0., float(1 - cosine(a, b).mean())) for a, b in zip(before, after)]


def _next_tokens(model, tokenizer, ids) -> dict:
    "The most probable next tokens as text -> probability."
    import torch
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids], device=next(model.parameters()).device)).logits[0, -1].float()
    best = logits.softmax(-1).topk(NEXT)
    return {repr(tokenizer.decode([i])): p for p, i in zip(best.values.tolist(), best.indices.tolist())}


class Lens(AskPanel):
    """A text through a model before and after training: probabilities of labels or of the next token side by side, and how far
    the two are apart after each layer. After an answer `answers` has name -> {label: probability}, `layers` the distances."""
    def __init__(
        self,
        before,          # fitted with `num_train_epochs=0`, say
        after,           # fitted, of the same base
        text: str = "",  # is asked at once
    ):
        if type(before) is not type(after) or not isinstance(before, (FineTunedClassifier, FineTunedGenerator)):
            raise ValueError("a lens wants two classifiers, or two generators, that are fitted")
        if model_identity(before.model) != model_identity(after.model):
            raise ValueError(f"a lens wants two models of one base, and these are of {before.model} and of {after.model}")
        self.models, self.answers, self.layers = {"before": before, "after": after}, {}, []
        super().__init__(text)
        if text.strip(): self.ask()

    def _look(self, estimator, text: str) -> tuple[dict, list]:
        model, (ids,) = estimator.ready(), estimator.token_ids([text])
        if isinstance(estimator, FineTunedGenerator): answers = _next_tokens(model, estimator.tokenizer_, ids)
        else: answers = dict(zip(estimator.classes_.tolist(), estimator.predict_proba([text])[0].tolist()))
        return answers, layer_states(model, ids)

    def answer(self) -> tuple[str, str]:
        found = {name: self._look(model, self.text.value) for name, model in self.models.items()}
        self.answers = {name: answers for name, (answers, _) in found.items()}
        self.layers = parted(*(states for _, states in found.values()))
        best = {name: max(answers, key=answers.get) for name, answers in self.answers.items()}
        said = "; ".join(f"{name}: {label} {self.answers[name][label]:.0%}" for name, label in best.items())
        columns = [f"<div style='flex:1 1 14em'><strong>{name}</strong>: {html.escape(str(best[name]))}{bars(answers)}</div>"
                   for name, answers in self.answers.items()]
        return said, (f"<div style='display:flex;flex-wrap:wrap;gap:.5em 2em'>{''.join(columns)}</div>"
                      "<p style='margin:.6em 0 .2em'>How far apart are they after each layer? (1 − cosine, mean over tokens)</p>"
                      f"{_distances(self.layers)}")

    def __repr__(self): return self.picture.said


def _distances(values: list[float]) -> str:
    "A bar a layer, the longest as wide as there is room."
    most = max(*values, 1e-9)
    def bar(v): return f"<div style='background:{BLUE};height:.6em;width:{100*v/most:.1f}%'></div>"
    lines = [f"<tr><td style='padding-right:1em;white-space:nowrap'>layer {n}</td><td style='width:100%'>{bar(v)}</td>"
             f"<td style='text-align:right'>{v:.3f}</td></tr>" for n, v in enumerate(values, 1)]
    return f"<table style='width:100%;max-width:28em;line-height:1.1'>{''.join(lines)}</table>"


lens = Lens
