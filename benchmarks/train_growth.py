"""Does training grow linearly with the rows? `FineTunedClassifier.fit`, one epoch over 1,000 and 10,000 uncut tweets, one process each.

`ours` is the time for the most rows, `peer` what the fewest would cost times the growth in rows: a ratio of 1 is linear, below 1 slower than linear.
Memory: the peak of each process beside the size of its rows (texts and token numbers) and above the smallest run's peak.
"""
import argparse
import json
import statistics
import subprocess
import sys

ROWS = (1000, 10000)


def size_mb(thing, seen=None) -> float:
    "Memory of nested lists, dicts, strings and numbers, shared ones once."
    seen = set() if seen is None else seen
    if id(thing) in seen: return 0.
    seen.add(id(thing))
    inside = (list(thing.keys()) + list(thing.values()) if isinstance(thing, dict) else thing if isinstance(thing, (list, tuple)) else ())
    return sys.getsizeof(thing)/1e6 + sum(size_mb(part, seen) for part in inside)


def one_size(n: int) -> dict:
    import torch
    from ft_course.core import Meter
    from ft_course.data import load_task
    from ft_course.estimators import FineTunedClassifier
    from ft_course.training import HParams, Labels
    airline = load_task("airline")
    texts, labels = ((a + b)[:n] for a, b in zip(airline.split("train"), airline.split("pool")))
    del airline
    model = FineTunedClassifier("minilm", hparams=HParams(num_train_epochs=1, per_device_train_batch_size=32))
    model.fit(texts[:320], labels[:320])   # warm
    with Meter() as meter: model.fit(texts, labels)
    rows = Labels().rows(model.tokenizer_, texts, [0]*n, max_length=128)
    return {"rows": n, "seconds": round(meter.seconds, 2), "peak_mb": round(meter.peak_mb), "data_mb": round(size_mb([texts, rows]), 1),
            "steps": len(model.history_["steps"]), "longest_row": max(len(row["input_ids"]) for row in rows), "threads": torch.get_num_threads()}


def main(argv):
    parser = argparse.ArgumentParser(prog="train_growth")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.one:
        print(json.dumps(one_size(args.one)))
        return
    runs = {n: [] for n in ROWS}
    for _ in range(args.rounds):
        for n in ROWS:
            out = subprocess.run([sys.executable, "-m", "benchmarks", "train_growth", "--one", str(n)], capture_output=True, text=True)
            if out.returncode: sys.exit(out.stderr)
            runs[n].append(json.loads(out.stdout.strip().splitlines()[-1]))
    median = {n: {k: statistics.median(r[k] for r in some) for k in ("seconds", "peak_mb", "data_mb")} for n, some in runs.items()}
    small, large = ROWS[0], ROWS[-1]
    print(json.dumps({
        "case": "train_growth", "ours": median[large]["seconds"], "peer": round(median[small]["seconds"]*large/small, 2), "unit": "s",
        "ratio": round(median[small]["seconds"]*large/small / median[large]["seconds"], 3), "rounds": args.rounds,
        "sizes": {str(n): m | {"times_linear": round(m["seconds"] / (median[small]["seconds"]*n/small), 3),
                               "mb_above_smallest_and_data": round(m["peak_mb"] - median[small]["peak_mb"] - (m["data_mb"] - median[small]["data_mb"]), 1)}
                  for n, m in median.items()}}))
