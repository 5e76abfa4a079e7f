"A language model that is trained to answer prompts."
import math

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from ft_course.core import progress
from ft_course.core.inputs import check_pairs, check_texts
from ft_course.estimators.base import FineTuned
from ft_course.estimators.chat import plain_text, render_prompt
from ft_course.models import context_length, load_causal, load_tokenizer
from ft_course.training import (Answers, Full, HParams, Method, Objective, answer_token_losses, collate,
                                length_grouped_batches)


def until(text: str, stop) -> str:
    "The text up to the first stop string in it."
    return text[:min([text.find(s) for s in stop if s in text], default=len(text))].strip()


def generate_texts(
    model,              # a causal language model
    tokenizer,
    rows: list[dict],   # `input_ids`
    max_new_tokens: int,
    batch_size: int = 16,
    finished=None,      # is called after every token with a batch's texts so far; says of each whether it ends
    **settings,         # of transformers' `generate`; without any it takes the most probable token (greedy)
) -> list[str]:
    "The continuation of each row, token by token, up to the end mark."
    from transformers import StoppingCriteriaList
    answers, device = [""]*len(rows), next(model.parameters()).device
    settings = {"do_sample": False} | settings
    with torch.inference_mode():
        for numbers in progress(length_grouped_batches([len(r["input_ids"]) for r in rows], batch_size),
                                "writing", unit="batch"):
            ids = [torch.tensor(rows[i]["input_ids"]) for i in numbers]
            batch = {"input_ids": pad_sequence(ids, True, tokenizer.pad_token_id, padding_side="left"),
                     "attention_mask": pad_sequence([torch.ones_like(i) for i in ids], True, 0, padding_side="left")}
            begin = batch["input_ids"].shape[1]
            def new_texts(ids): return tokenizer.batch_decode(ids[:, begin:], skip_special_tokens=True)
            def watch(ids, scores, **_): return torch.tensor(finished(new_texts(ids)), device=device)
            if finished: settings["stopping_criteria"] = StoppingCriteriaList([watch])
            written = model.generate(**{k: v.to(device) for k, v in batch.items()},
                                     max_new_tokens=max_new_tokens, eos_token_id=tokenizer.eos_token_id,
                                     pad_token_id=tokenizer.pad_token_id, **settings)
            for i, text in zip(numbers, new_texts(written)): answers[i] = text.strip()
    return answers


def mean_answer_losses(model, tokenizer, rows: list[dict], batch_size: int = 16) -> np.ndarray:
    "Mean cross-entropy (nats a token) of the answer in each row, as from `Answers`, shape (n_rows,)."
    losses, device = np.zeros(len(rows)), next(model.parameters()).device
    with torch.inference_mode():
        for numbers in progress(length_grouped_batches([len(r["input_ids"]) for r in rows], batch_size),
                                "answer loss", unit="batch"):
            found, row = answer_token_losses(model, collate([rows[i] for i in numbers], tokenizer.pad_token_id, device))
            sums, counts = (torch.zeros(len(numbers), device=device).index_add(0, row, v)
                            for v in (found, torch.ones_like(found)))
            losses[numbers] = (sums / counts).cpu().numpy()
    return losses


class FineTunedGenerator(FineTuned):
    "A causal language model trained to answer prompts; `generate` writes, `score_answers` measures."
    def __init__(self,
        model="smollm2",            # alias, folder or Hub id
        method: Method = Full(),    # what trains: a `Method`, or one of peft's configs
        hparams: HParams = HParams(learning_rate=5e-5, num_train_epochs=1, per_device_train_batch_size=8,
                                   max_length=256),
        instruction: str = "",      # what the model is asked to do, said before every prompt
        max_new_tokens: int = 24,   # an answer ends here at the latest
        random_state: int = 0,
        callbacks=(),
        objective: Objective = Answers(),   # what is minimised
        device: str | None = None,  # "cpu", "cuda", ...; None: the fastest there is
    ):
        (self.model, self.method, self.hparams, self.instruction, self.max_new_tokens, self.random_state, self.callbacks,
         self.objective, self.device) = (model, method, hparams, instruction, max_new_tokens, random_state, callbacks,
                                         objective, device)

    def fit(self, prompts, answers, validation=None) -> "FineTunedGenerator":
        """Trains on the answers' tokens; `validation=(prompts, answers)` is scored after every epoch.
        With `num_train_epochs=0` it only loads, which is the model before training."""
        prompts, answers = check_pairs(prompts, answers, ("prompts", "answers"))
        check_texts(answers, "answers")
        if validation is not None:
            validation = check_pairs(*validation, ("validation prompts", "validation answers"))
        tokenizer = load_tokenizer(self.model)
        def rows(prompts, answers): return self._rows(tokenizer, prompts, answers)
        return self._fit(tokenizer, self._network(self.model), rows, (prompts, answers), self._seed(), validation)

    def _network(self, name): return load_causal(name)

    def _rows(self, tokenizer, prompts, answers=None, room: float = math.inf) -> list[dict]:
        asked = [render_prompt(tokenizer, self.instruction, p) for p in check_texts(prompts, "prompts")]
        said = answers and [plain_text(tokenizer, a) for a in check_texts(answers, "answers")]
        return self.objective.rows(tokenizer, asked, said, max_length=min(self.hparams.max_length, room))

    def scores(self, prompts, answers) -> dict[str, float]:
        "`validation_loss`: the mean of the answers' losses, in nats a token."
        return {"validation_loss": float(self.answer_losses(prompts, answers).mean())}

    def answer_losses(self, prompts, answers) -> np.ndarray:
        "Mean cross-entropy (nats a token) of each given answer, its end mark included, shape (n_prompts,)."
        model, (prompts, answers) = self.ready(), check_pairs(prompts, answers, ("prompts", "answers"))
        return mean_answer_losses(model, self.tokenizer_, self._rows(self.tokenizer_, prompts, answers))

    def generate(self, prompts) -> list[str]:
        "The most probable answer to each prompt, token by token (greedy), without its end mark."
        model = self.ready()
        room = (context_length(model.config) or math.inf) - self.max_new_tokens
        return generate_texts(model, self.tokenizer_, self._rows(self.tokenizer_, prompts, room=room), self.max_new_tokens)

    def score_answers(self, prompts, answers) -> dict[str, np.ndarray]:
        """Per-item scores: `loss` of the given answers and `rouge_l` of the generated ones,
        each of shape (n_prompts,)."""
        from ft_course.evaluation import rouge_l
        return {"loss": self.answer_losses(prompts, answers),
                "rouge_l": rouge_l(answers, self.generate(prompts))}
