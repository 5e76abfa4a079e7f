"""The course's training loop against the Hugging Face Trainer on the same 2,500 tweets: its defaults, and its best settings.

The same pretrained encoder, head, batch size, rate, schedule, epoch and dropout (0.1) on all sides; what differs is what each brings of its own:
order of the rows, padding, optimiser implementation, dropout's random numbers. Rounds are run in turn in one process; the median counts.
Quality: macro-F1 on the canonical test tweets, one run a round and side, with the paired 95 % interval over items and runs.
"""
import argparse
import json
import statistics
import tempfile
import time

import numpy as np
import torch

from ft_course.data import load_task
from ft_course.evaluation import interval
from ft_course.models import load_classifier, load_tokenizer, quiet_transformers
from ft_course.training import Full, HParams, Labels, cheaper_dropout, classification_loss, collate, first_token_only, length_grouped_batches, train

HPARAMS = HParams(learning_rate=1e-4, num_train_epochs=1, per_device_train_batch_size=32)


def ours(rows, classes, pad_id, seed):
    model = load_classifier("minilm", classes, seed=seed)
    start = time.perf_counter()
    with first_token_only(model): train(model, rows, HPARAMS, Full(), Labels(), pad_id, seed, device="cpu")
    return model, time.perf_counter() - start


def trainer(rows, classes, tokenizer, seed, **settings):
    from datasets import Dataset
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments
    model = load_classifier("minilm", classes, seed=seed)
    data = Dataset.from_list(rows)
    with tempfile.TemporaryDirectory() as folder, quiet_transformers():
        arguments = TrainingArguments(folder, per_device_train_batch_size=HPARAMS.per_device_train_batch_size, num_train_epochs=1,
                                      learning_rate=HPARAMS.learning_rate, weight_decay=HPARAMS.weight_decay, warmup_steps=HPARAMS.warmup_steps,
                                      seed=seed, use_cpu=True, report_to="none", save_strategy="no", disable_tqdm=True, **settings)
        run = Trainer(model, arguments, train_dataset=data, data_collator=DataCollatorWithPadding(tokenizer))
        start = time.perf_counter()
        run.train()
        return model.eval(), time.perf_counter() - start


def answers(model, texts, classes, tokenizer):
    rows = [{"input_ids": ids} for ids in tokenizer(texts, truncation=True, max_length=HPARAMS.max_length)["input_ids"]]
    predicted = np.zeros(len(rows), dtype=int)
    with torch.inference_mode():
        for numbers in length_grouped_batches([len(r["input_ids"]) for r in rows], 64):
            predicted[numbers] = model(**collate([rows[i] for i in numbers], tokenizer.pad_token_id)).logits.argmax(-1).numpy()
    return np.array(classes)[predicted]


def efficiency(rows, classes, pad_id, steps=40):
    """Forward and backward as the course runs them, dropout on, as a share of this process's best fp32 matrix product on the model's own shapes.
    Operations: 6 a weight and position, padding counted, 12 a hidden unit and pair of positions for attention; of the last layer only what is computed."""
    model = load_classifier("minilm", classes).train()
    hidden, layers = model.config.hidden_size, model.config.num_hidden_layers
    batches = length_grouped_batches([len(r["input_ids"]) for r in rows], 32, torch.Generator().manual_seed(0))[:steps + 5]
    seconds, operations, positions = [], [], []
    with cheaper_dropout(model), first_token_only(model):
        model.train()
        for numbers in batches:
            batch = collate([rows[i] for i in numbers], pad_id)
            n, length = batch["input_ids"].shape
            start = time.perf_counter()
            classification_loss(model, batch).backward()
            seconds.append(time.perf_counter() - start)
            model.zero_grad()
            whole = 6*12*hidden**2*n*length + 12*hidden*n*length**2          # a layer: 4 matrices of attention, 2 of four times the width
            last = 6*2*hidden**2*n*length + 6*10*hidden**2*n + 12*hidden*n*length   # keys and values of all positions, the rest of one
            operations.append((layers - 1)*whole + last)
            positions.append(n*length)
    m, best = int(statistics.median(positions)), 0.
    for inner, outer in ((hidden, hidden), (hidden, 4*hidden), (4*hidden, hidden)):
        a, b, out = torch.randn(m, inner), torch.randn(inner, outer), torch.empty(m, outer)
        for _ in range(100):
            start = time.perf_counter()
            torch.mm(a, b, out=out)
            best = max(best, 2*m*inner*outer / (time.perf_counter() - start))
    reached = sum(operations[5:]) / sum(seconds[5:])
    return {"forward_backward_gflops": round(reached/1e9, 1), "best_product_gflops": round(best/1e9, 1), "share": round(reached/best, 3)}


def main(argv):
    parser = argparse.ArgumentParser(prog="train_minilm_airline")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2500)
    args = parser.parse_args(argv)
    airline = load_task("airline")
    tokenizer, classes = load_tokenizer("minilm"), airline.labels
    texts, labels = (part[:args.rows] for part in airline.split("train"))
    rows = [{"input_ids": ids, "labels": classes.index(label)}
            for ids, label in zip(tokenizer(texts, truncation=True, max_length=HPARAMS.max_length)["input_ids"], labels)]
    sides = {"ours": lambda seed: ours(rows, classes, tokenizer.pad_token_id, seed),
             "defaults": lambda seed: trainer(rows, classes, tokenizer, seed),
             "best": lambda seed: trainer(rows, classes, tokenizer, seed, train_sampling_strategy="group_by_length", optim="adamw_torch_fused")}
    seconds, predicted = {s: [] for s in sides}, {s: [] for s in sides}
    test_texts, truth = airline.split("test")
    for seed in range(args.rounds):
        for side, run in sides.items():
            model, took = run(seed)
            seconds[side].append(took)
            predicted[side].append(answers(model, test_texts, classes, tokenizer))
    median = {side: statistics.median(s) for side, s in seconds.items()}
    difference = {side: interval(truth, predicted["ours"], against=predicted[side]) for side in ("defaults", "best")}
    print(json.dumps({
        "case": "train_minilm_airline", "ours": round(median["ours"], 2), "peer": round(median["defaults"], 2), "unit": "s",
        "ratio": round(median["defaults"]/median["ours"], 3), "peer_best": round(median["best"], 2), "ratio_best": round(median["best"]/median["ours"], 3),
        "rounds": {s: [round(t, 1) for t in times] for s, times in seconds.items()}, "rows": len(rows), "threads": torch.get_num_threads(),
        "macro_f1": {side: round(interval(truth, p).value, 4) for side, p in predicted.items()},
        "macro_f1_ours_minus": {side: [round(x, 4) for x in (d.value, d.low, d.high)] for side, d in difference.items()},
        "efficiency": efficiency(rows, classes, tokenizer.pad_token_id)}))
