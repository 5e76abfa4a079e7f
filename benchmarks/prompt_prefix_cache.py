"""Prompting with 20 examples: what all prompts share computed once, against the same code that reads every prompt from its first token.

Both sides classify the same headlines with the same prompts, all labels scored in one pass. Rounds are run in turn in one process; the median
counts. Quality: the share of headlines with the same answer; where answers differ, the two best labels have to lie within 2e-3 of each other.
`peer_best` is another way to read whole prompts, on some of them, scaled up: batches of 16 of like length, padded, the library's own mask.
"""
import argparse
import json
import statistics
import time

import numpy as np
import torch

from ft_course.data import load_task
from ft_course.estimators import chat_messages, plain_text, render
from ft_course.prompting import language_model, PromptClassifier, PROMPTED
from ft_course.training import collate, length_grouped_batches

CLOSE = 2e-3


def classifier(cache_prefix):
    return PromptClassifier(PROMPTED["headlines"], n_examples=20, cache_prefix=cache_prefix)


def padded_batches(model, texts):
    "Seconds in which padded batches of whole prompts go through the network and its output layer, last position only."
    tokenizer, network = language_model(model.model)
    prompts = [render(tokenizer, chat_messages(model.instruction, [(plain_text(tokenizer, t), model.words_[label]) for t, label in model.examples_],
                                               plain_text(tokenizer, text))) for text in texts]
    start = time.perf_counter()
    rows = [{"input_ids": ids} for ids in tokenizer(prompts)["input_ids"]]
    with torch.inference_mode():
        for numbers in length_grouped_batches([len(r["input_ids"]) for r in rows], 16):
            batch = collate([rows[i] for i in numbers], tokenizer.pad_token_id, network.device)
            states = network.base_model(**batch, use_cache=False).last_hidden_state
            network.get_output_embeddings()(states[torch.arange(len(numbers)), batch["attention_mask"].sum(1) - 1])
    return time.perf_counter() - start


def main(argv):
    parser = argparse.ArgumentParser(prog="prompt_prefix_cache")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=150)
    args = parser.parse_args(argv)
    headlines = load_task("headlines")
    texts = headlines.split("test")[0][:args.rows]
    sides = {side: classifier(cached).fit(*headlines.split("train")) for side, cached in (("ours", True), ("peer", False))}
    for side in sides.values(): side.predict_proba(texts[:2])   # weights are loaded, threads are awake
    seconds, found = {side: [] for side in sides}, {}
    for _ in range(args.rounds):
        for side, model in sides.items():
            start = time.perf_counter()
            found[side] = model.predict_proba(texts)
            seconds[side].append(time.perf_counter() - start)
    few = texts[:min(64, len(texts))]
    best = padded_batches(sides["peer"], few) * len(texts)/len(few)
    differ = found["ours"].argmax(1) != found["peer"].argmax(1)
    top = np.sort(found["peer"], axis=1)
    median = {side: statistics.median(s) for side, s in seconds.items()}
    print(json.dumps({
        "case": "prompt_prefix_cache", "ours": round(median["ours"], 2), "peer": round(median["peer"], 2), "unit": "s",
        "ratio": round(median["peer"]/median["ours"], 2), "peer_best": round(best, 2), "ratio_best": round(best/median["ours"], 2),
        "rounds": {side: [round(t, 2) for t in s] for side, s in seconds.items()}, "rows": len(texts), "threads": torch.get_num_threads(),
        "differing": int(differ.sum()), "differing_beyond_2e-3": int((differ & (top[:, -1] - top[:, -2] > CLOSE)).sum()),
        "close_calls": int((top[:, -1] - top[:, -2] <= CLOSE).sum()), "largest_difference": float(np.abs(found["ours"] - found["peer"]).max())}))
