"""LoRA through the course's loop against peft with the Hugging Face Trainer on the same 2,500 tweets: its defaults, and its best settings.

The same encoder, head (it starts from the same probe), `LoraConfig`, first weights, batch size, rate, schedule, epoch and dropout (0.1) on all sides; what differs is what each brings
of its own: order of the rows, padding, optimiser implementation, dropout's random numbers, what the last layer computes. Every run has a process of
its own, so that its peak memory is its own; rounds are run in turn, the median counts.
Quality: macro-F1 on the canonical test tweets, one run a round and side, with the paired 95 % interval over items and runs.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from benchmarks.train_minilm_airline import answers
from ft_course.data import load_task
from ft_course.estimators.head import start_from_probe
from ft_course.evaluation import interval
from ft_course.models import load_classifier, load_tokenizer, quiet_transformers
from ft_course.training import HParams, Labels, first_token_only, train

HPARAMS = HParams(learning_rate=1e-3, num_train_epochs=1, per_device_train_batch_size=32)
BEST = {"train_sampling_strategy": "group_by_length", "optim": "adamw_torch_fused"}
SIDES = ("ours", "defaults", "best")


def config():
    from peft import LoraConfig, TaskType
    return LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type=TaskType.SEQ_CLS)


def ours(model, rows, tokenizer, seed):
    from ft_course.estimators import as_method
    with first_token_only(model): return train(model, rows, HPARAMS, as_method(config()), Labels(), tokenizer.pad_token_id, seed, device="cpu").model


def trainer(plain, rows, tokenizer, seed, **settings):
    import torch
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments
    data = Dataset.from_list(rows)
    torch.manual_seed(seed)
    model = get_peft_model(plain, config())
    with tempfile.TemporaryDirectory() as folder, quiet_transformers():
        arguments = TrainingArguments(folder, per_device_train_batch_size=HPARAMS.per_device_train_batch_size, num_train_epochs=1,
                                      learning_rate=HPARAMS.learning_rate, weight_decay=HPARAMS.weight_decay, warmup_steps=HPARAMS.warmup_steps,
                                      seed=seed, use_cpu=True, report_to="none", save_strategy="no", disable_tqdm=True, **settings)
        Trainer(model, arguments, train_dataset=data, data_collator=DataCollatorWithPadding(tokenizer)).train()
    return model.eval()


def one(side, seed, n):
    from ft_course.core import Meter
    import peft, torch, transformers.trainer   # noqa: E401, F401 - not to be timed
    airline = load_task("airline")
    tokenizer, classes = load_tokenizer("minilm"), airline.labels
    texts, labels = (part[:n] for part in airline.split("train"))
    rows = [{"input_ids": ids, "labels": classes.index(label)}
            for ids, label in zip(tokenizer(texts, truncation=True, max_length=HPARAMS.max_length)["input_ids"], labels)]
    run, model = ours if side == "ours" else trainer, load_classifier("minilm", classes, seed=seed)
    start_from_probe(model, rows, [row["labels"] for row in rows], len(classes), tokenizer.pad_token_id, "cpu", seed)
    with Meter() as meter: model = run(model, rows, tokenizer, seed, **(BEST if side == "best" else {}))
    return {"seconds": meter.seconds, "peak_mb": meter.peak_mb, "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "predictions": answers(model, airline.split("test")[0], classes, tokenizer).tolist(), "threads": torch.get_num_threads()}


def main(argv):
    parser = argparse.ArgumentParser(prog="lora_minilm_vs_peft_trainer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2500)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.one:
        print(json.dumps(one(args.one[0], int(args.one[1]), args.rows)))
        return
    runs, start = {side: [] for side in SIDES}, time.perf_counter()
    for seed in range(args.rounds):
        for side in SIDES:
            out = subprocess.run([sys.executable, "-m", "benchmarks", "lora_minilm_vs_peft_trainer", "--rows", str(args.rows), "--one", side, str(seed)],
                                 capture_output=True, text=True)
            if out.returncode: sys.exit(out.stderr)
            runs[side].append(json.loads(out.stdout.strip().splitlines()[-1]))
    def median(side, key): return statistics.median(run[key] for run in runs[side])
    seconds = {side: round(median(side, "seconds"), 2) for side in SIDES}
    truth, predicted = load_task("airline").split("test")[1], {side: np.array([run["predictions"] for run in some]) for side, some in runs.items()}
    difference = {side: interval(truth, predicted["ours"], against=predicted[side]) for side in SIDES[1:]}
    print(json.dumps({
        "case": "lora_minilm_vs_peft_trainer", "ours": seconds["ours"], "peer": seconds["defaults"], "unit": "s",
        "ratio": round(seconds["defaults"]/seconds["ours"], 3), "peer_best": seconds["best"], "ratio_best": round(seconds["best"]/seconds["ours"], 3),
        "rounds": {side: [round(run["seconds"], 1) for run in some] for side, some in runs.items()}, "rows": args.rows,
        "threads": runs["ours"][0]["threads"], "trainable": {side: some[0]["trainable"] for side, some in runs.items()},
        "peak_mb": {side: round(median(side, "peak_mb")) for side in SIDES},
        "macro_f1": {side: round(interval(truth, p).value, 4) for side, p in predicted.items()},
        "macro_f1_ours_minus": {side: [round(x, 4) for x in (d.value, d.low, d.high)] for side, d in difference.items()},
        "whole_s": round(time.perf_counter() - start)}))
