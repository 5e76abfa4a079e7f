"""A few steps of every kind of stored row, small enough to run in each test: a change of behaviour shows, a
refactoring does not. As a program it makes the stored tables (`make results`)."""
import functools
import json
import sys
from dataclasses import is_dataclass, replace

import numpy as np

from ft_course.core import CourseError, write_json
from ft_course.core.records import read_record
from ft_course.results import STORE, make, parts_of, table_names
from ft_course.training import Callback

N_ROWS, N_ASKED, TOLERANCE = 20, 6, 1e-3
FILE = STORE/"probes.json"
EXACT = ("groups", "rates")   # no rounding on another machine excuses a difference here


class Recorder(Callback):
    "Sets every dropout rate to 0, and keeps the optimiser's groups and every group's rate at each of its steps."
    def on_train_begin(self, run):
        from torch import nn
        for module in run.model.modules():
            if isinstance(module, nn.Dropout): module.p = 0.
        kept = ("weight_decay", "betas", "eps", "amsgrad", "initial_lr")
        self.optimizer, self.rates = type(run.optimizer).__name__, []
        self.groups = [{"tensors": len(g["params"]), "numbers": sum(p.numel() for p in g["params"])} | {k: g[k] for k in kept}
                       for g in run.optimizer.param_groups]
        run.optimizer.register_step_pre_hook(
            lambda optimizer, *_: self.rates.append([group["lr"] for group in optimizer.param_groups]))


STANDS_IN = {"qwen-0.5b": "smollm2", "qwen-1.5b": "smollm2", "mpnet": "minilm"}   # the same code, and no gigabytes to fetch


def method_name(method) -> str:
    "The method with its settings; one of peft's configs by its class, and what is not as usual among its switches."
    if not hasattr(method, "peft_type"): return repr(method)
    return "+".join([type(method).__name__, *(name for name in ("use_dora", "use_rslora") if getattr(method, name, False))])


def kind(estimator) -> str | None:
    """What sort of row this estimator makes, a larger model's with that of the small one whose probe stands for it;
    None where the course trains and reads nothing itself."""
    if hasattr(estimator, "probed"): return kind(estimator.probed())   # it trains another one
    if hasattr(estimator, "probe"): return type(estimator).__name__   # it says itself how it is probed
    name, p = type(estimator).__name__, estimator.get_params(deep=False)
    if p.get("model") in STANDS_IN: p["model"] = STANDS_IN[p["model"]]
    if name == "FineTunedClassifier":
        others = [type(c).__name__ for c in p["callbacks"] if type(c).__name__ != "DropoutRate"]
        return ", ".join([name, str(p["model"]), method_name(p["method"]), *others, *(["cut"] if p["layers"] else []),
                          *([] if p["pretrained"] else ["random weights"]),
                          *([] if p["head"] == "random" else [f"head from {p['head']}"])])
    if name == "FineTunedGenerator":
        return ", ".join([name, str(p["model"]), method_name(p["method"]),
                          *(["untrained"] if p["hparams"].num_train_epochs == 0 else [])])
    if name == "EmbeddingClassifier": return ", ".join([name, str(p["model"]), p["classifier"], p["pooling"]])
    if name == "PromptClassifier":
        shown = f"{p['selection']} examples" if p["n_examples"] else "no example"
        return ", ".join([name, str(p["model"]), shown, *(["calibrated"] if p["calibrate"] else [])])
    return None


def shrunk(estimator, validation: bool):
    "The same with few steps, no dropout and exaggerated decay."
    from sklearn.base import clone
    small, p = clone(estimator), estimator.get_params(deep=False)
    if "random_state" in p: small.set_params(random_state=0)
    for name in ("n_examples", "k"):
        if name in p: small.set_params(**{name: min(p[name], 5)})
    if "hparams" not in p: return small
    hparams = replace(p["hparams"], weight_decay=10., per_device_train_batch_size=10 if validation else 5)
    if hparams.num_train_epochs != 0: hparams = replace(hparams, num_train_epochs=3, max_steps=-1 if validation else 4)
    callbacks = [replace(c, n_pairs=20) if hasattr(c, "n_pairs") else replace(c) if is_dataclass(c) else c
                 for c in p["callbacks"]]
    return small.set_params(hparams=hparams, callbacks=(*callbacks, Recorder()))


def run(estimator, task, validation: bool = False) -> dict:
    "What the shrunken estimator does on the task's first rows, numbers with twelve significant digits."
    if hasattr(estimator, "probed"): estimator = estimator.probed()
    if hasattr(estimator, "probe"): return _rounded(estimator.probe())
    (texts, labels), (asked, answers) = (tuple(column[part] for column in task.split("train"))
                                         for part in (slice(N_ROWS), slice(N_ROWS, N_ROWS + N_ASKED)))
    small = shrunk(estimator, validation)
    small.fit(texts, labels, **({"validation": (asked, answers)} if validation else {}))
    found = {}
    if hasattr(small, "history_"):
        recorder, steps = small.callbacks[-1], small.history_["steps"]
        found = {"optimizer": recorder.optimizer, "groups": recorder.groups, "rates": recorder.rates,
                 "losses": [s["loss"] for s in steps], "norms": [s["grad_norm"] for s in steps],
                 "evaluations": small.history_["epochs"], "stopped": small.history_["stopped"]}
    if hasattr(small, "answer_losses"):
        found |= {"answer_losses": small.answer_losses(asked[:4], answers[:4]),
                  "written": small.set_params(max_new_tokens=8).generate(asked[:2])}
    else: found["probabilities"] = small.predict_proba(asked)
    if hasattr(small, "transform"): found["vectors"] = small.transform(asked[:3])[:, :6]
    return _rounded(found)


def _rounded(value):
    if isinstance(value, dict): return {str(k): _rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)): return [_rounded(v) for v in value]
    return float(f"{value:.12g}") if isinstance(value, (float, np.floating)) else value


def changed(before, now, path: str = "", exact: bool = False) -> list[str]:
    "Where two probes differ by more than the tolerance, in words; groups and rates have to be the same."
    exact = exact or path in EXACT
    if isinstance(before, dict) and isinstance(now, dict):
        return [c for k in {**before, **now} for c in changed(before.get(k), now.get(k), f"{path}.{k}".strip("."), exact)]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [c for i, (a, b) in enumerate(zip(before, now)) for c in changed(a, b, f"{path}[{i}]", exact or path in EXACT)]
    if isinstance(before, (int, float)) and isinstance(now, (int, float)):
        if abs(before - now) <= (1e-9*abs(before) if exact else TOLERANCE*max(1., abs(before))): return []
    elif before == now: return []
    return [f"{path} {json.dumps(before)[:60]}, now {json.dumps(now)[:60]}"]


@functools.cache
def kinds() -> dict[str, dict]:
    "Kind -> the tables that have rows of it, and its rows by name: estimator, task and use of validation rows."
    found = {}
    for name in table_names():
        for part in parts_of(name):
            for row, estimator in part.rows.items():
                if (key := kind(estimator)) is None: continue
                entry = found.setdefault(key, {"tables": [], "rows": {}})
                entry["rows"].setdefault(f"{row} of {name}", (estimator, part.task, part.validation))
                if name not in entry["tables"]: entry["tables"].append(name)
    return found


@functools.cache
def _values(key: str) -> dict:
    "The probe of the row that it was made of before, of the first where that is gone."
    rows, before = kinds()[key]["rows"], (read_record(FILE) or {}).get(key, {}).get("row")
    row = before if before in rows else next(iter(rows))
    return {"row": row, "found": run(*rows[row])}


def check_probe(key: str) -> list[str]:
    "What a kind of row does otherwise than when its tables were made, in words."
    before = (read_record(FILE) or {}).get(key)
    return ["it has no probe yet; make results makes it"] if before is None else changed(before["found"], _values(key)["found"])


def discard_changed(table: str) -> dict[str, list[str]]:
    """Probes the table's kinds of rows; where one does otherwise than before, its records go and the new probe is kept.
    Returns these kinds, each with all the tables that lost rows."""
    kept, lost = read_record(FILE) or {}, {}
    for key, about in kinds().items():
        if table not in about["tables"]: continue
        now = _values(key)
        if key in kept and not changed(kept[key]["found"], now["found"]): continue
        if key in kept:
            lost[key] = about["tables"]
            for name in about["tables"]: _discard(name, key)
        write_json(kept := kept | {key: now}, FILE)
    return lost


def _discard(table: str, key: str):
    from ft_course.evaluation import record_files
    for part in parts_of(table):
        rows = {row: estimator for row, estimator in part.rows.items() if kind(estimator) == key}
        for file in record_files(rows, part.task, part.seeds, STORE): file.unlink(missing_ok=True)


def make_results(names=()):
    """Makes what is missing or stale in the tables (all by default), and anew all rows of a kind whose probe tells that
    the code behaves otherwise now, in whichever table; prints the tables. Resumes where it was stopped."""
    names = list(names or table_names())
    for name in names:
        for kind, tables in discard_changed(name).items():
            print(f"The code behaves otherwise now: {kind}, in {', '.join(tables)}", flush=True)
            names += [other for other in tables if other not in names]
        made = make(name)
        print(f"\n{name}", made.table().to_string() if made.metrics() else f"{len(made.records)} rows", sep="\n", flush=True)


if __name__ == "__main__":
    try: make_results(sys.argv[1:])
    except (CourseError, ValueError) as err: raise SystemExit(str(err)) from None
