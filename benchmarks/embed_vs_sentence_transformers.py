"""Embedding with `embed` and with sentence-transformers: 2,000 airline tweets (128 tokens at most) and 300 article bodies (256 at most).

The peer is built from the same local folder (Transformer, mean Pooling, Normalize), with the same threads, device and length. It runs with its
defaults and with its best settings, that is the fastest of several batch sizes on every fourth of the texts, found before the rounds begin; `embed` has
no setting. Sides run in turn in one process; the median counts. Nobody loads anything in a round, and no vector comes from a disk.
Quality: the largest difference between the two sides' numbers.
"""
import argparse
import json
import os
import statistics
import time

import numpy as np
import torch

from ft_course.core.assets import asset_folder
from ft_course.data import load_task
from ft_course.embeddings import embed

BATCH_SIZES = (4, 8, 16, 32, 64)


def peer(max_length, device):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    network = Transformer(str(asset_folder("minilm")), max_seq_length=max_length)
    return SentenceTransformer(modules=[network, Pooling(network.get_embedding_dimension(), pooling_mode="mean"), Normalize()], device=device)


def timed(function, *args, **kwargs):
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return result, time.perf_counter() - start


def side_by_side(texts, max_length, rounds):
    theirs = peer(max_length, "cpu")
    def encode(batch_size=32, some=texts): return theirs.encode(some, batch_size=batch_size, show_progress_bar=False)
    embed(texts[::4], max_length=max_length), encode(some=texts[::4])   # both have loaded, and the machine is awake
    tried = {size: min(timed(encode, size, texts[::4])[1] for _ in range(2)) for size in BATCH_SIZES}
    best = min(tried, key=tried.get)
    sides = {"ours": lambda: embed(texts, max_length=max_length), "defaults": encode, "best": lambda: encode(best)}
    seconds, vectors = {s: [] for s in sides}, {}
    for _ in range(rounds):
        for side, run in sides.items():
            vectors[side], took = timed(run)
            seconds[side].append(took)
    median = {side: statistics.median(s) for side, s in seconds.items()}
    return {"texts": len(texts), "max_length": max_length, "ours": round(median["ours"], 3), "peer": round(median["defaults"], 3),
            "ratio": round(median["defaults"]/median["ours"], 3), "peer_best": round(median["best"], 3),
            "ratio_best": round(median["best"]/median["ours"], 3), "best_batch_size": best,
            "rounds": {side: [round(t, 2) for t in s] for side, s in seconds.items()},
            "largest_difference": float(max(np.abs(vectors["ours"] - vectors[side]).max() for side in ("defaults", "best")))}


def main(argv):
    parser = argparse.ArgumentParser(prog="embed_vs_sentence_transformers")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    os.environ["FT_COURSE_DEVICE"] = "cpu"
    tweets, bodies = load_task("airline").split("train")[0][:2000], load_task("articles").split("train")[0][:300]
    assert len(set(tweets)) == 2000 and len(set(bodies)) == 300   # `embed` would compute a repeated text once
    parts = {"airline": side_by_side(tweets, 128, args.rounds), "articles": side_by_side(bodies, 256, args.rounds)}
    assert all(part["largest_difference"] < 1e-4 for part in parts.values()), "the two sides do not give the same vectors"
    slowest = min(parts.values(), key=lambda part: min(part["ratio"], part["ratio_best"]))
    print(json.dumps({"case": "embed_vs_sentence_transformers", "ours": slowest["ours"], "peer": slowest["peer"], "unit": "s",
                      "ratio": slowest["ratio"], "ratio_best": slowest["ratio_best"], "threads": torch.get_num_threads(), **parts}))
