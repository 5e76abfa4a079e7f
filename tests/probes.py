"""A few steps of every kind of stored row, small enough to run in each test: a change of behaviour shows, a
refactoring does not. Run as a script on the code that made the rows, it writes `probes.json`."""
import json
from dataclasses import is_dataclass, replace

import numpy as np

N_ROWS, N_ASKED = 20, 6


class Recorder:
    "A callback that keeps the optimiser's groups and every group's rate at each of its steps."
    def __init__(self): self.groups, self.rates = [], []

    def on_train_begin(self, run):
        for group in run.optimizer.param_groups:
            self.groups.append({"tensors": len(group["params"]), "numbers": sum(p.numel() for p in group["params"])}
                               | {k: group[k] for k in ("weight_decay", "betas", "eps", "amsgrad", "initial_lr")})
        self.kind = type(run.optimizer).__name__
        run.optimizer.register_step_pre_hook(lambda optimizer, *_: self.rates.append(
            [group["lr"] for group in optimizer.param_groups]))

    def on_restore(self, run): pass
    def on_epoch_end(self, run): pass
    def on_step_end(self, run): pass
    def on_divergence(self, run): pass
    def on_train_end(self, run): pass
    def state_dict(self): return {}


class WithoutDropout(Recorder):
    "Sets every dropout rate to 0, whatever a callback before it has set."
    def on_train_begin(self, run):
        from torch import nn
        for module in run.model.modules():
            if isinstance(module, nn.Dropout): module.p = 0.


def kind(estimator) -> str | None:
    "What sort of row this estimator makes; None where the course trains and reads nothing itself."
    name, p = type(estimator).__name__, estimator.get_params(deep=False)
    if name == "FineTunedClassifier":
        others = [type(c).__name__ for c in p["callbacks"] if type(c).__name__ != "DropoutRate"]
        return ", ".join([name, str(p["model"]), repr(p["method"]), *others, *(["cut"] if p["layers"] else []),
                          *([] if p["pretrained"] else ["random weights"])])
    if name == "FineTunedGenerator":
        return ", ".join([name, str(p["model"]), repr(p["method"]),
                          *([] if p["hparams"].num_train_epochs else ["untrained"])])
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
    if type(estimator).__name__ == "PromptClassifier": return small.set_params(n_examples=min(p["n_examples"], 5))
    if type(estimator).__name__ == "EmbeddingClassifier": return small.set_params(k=min(p["k"], 5))
    hparams = replace(p["hparams"], weight_decay=10., per_device_train_batch_size=10 if validation else 5)
    if p["hparams"].num_train_epochs:
        hparams = replace(hparams, num_train_epochs=3, max_steps=-1 if validation else 4)
    callbacks = [replace(c, n_pairs=20) if hasattr(c, "n_pairs") else replace(c) if is_dataclass(c) else c
                 for c in p["callbacks"]]
    return small.set_params(hparams=hparams, callbacks=(*callbacks, WithoutDropout(), Recorder()))


def rounded(value):
    if isinstance(value, dict): return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)): return [rounded(v) for v in value]
    return round(float(value), 6) if isinstance(value, (float, np.floating)) else value


def run(estimator, task, validation: bool = False) -> dict:
    "What the shrunken estimator does on the task's first rows."
    texts, labels = (column[:N_ROWS] for column in task.split("train"))
    asked, answers = (column[N_ROWS:N_ROWS + N_ASKED] for column in task.split("train"))
    small, found = shrunk(estimator, validation), {}
    small.fit(texts, labels, **({"validation": (asked, answers)} if validation else {}))
    if hasattr(small, "history_"):
        recorder = small.callbacks[-1]
        found = {"optimizer": recorder.kind, "groups": recorder.groups, "rates": recorder.rates,
                 "losses": [s["loss"] for s in small.history_["steps"]],
                 "norms": [s["grad_norm"] for s in small.history_["steps"]],
                 "evaluations": small.history_["epochs"], "stopped": small.history_["stopped"]}
    if hasattr(small, "answer_losses"):
        found |= {"answer_losses": small.answer_losses(asked[:4], answers[:4]),
                  "written": small.set_params(max_new_tokens=8).generate(asked[:2])}
    else: found["probabilities"] = small.predict_proba(asked)
    if hasattr(small, "transform"): found["vectors"] = small.transform(asked[:3])[:, :6]
    return json.loads(json.dumps(rounded(found)))


def run_retrieval() -> dict:
    "What is found in twelve articles, and what is read out of it."
    import tempfile
    from ft_course.rag import DocumentIndex, article_headlines, article_texts, narrowed, write_answers
    names = sorted(article_texts(), key=lambda n: n.split("/")[1])[:12]
    with tempfile.TemporaryDirectory() as folder:
        index, found = DocumentIndex(f"{folder}/index"), {}
        index.add({n: article_texts()[n] for n in names})
        queries = [article_headlines()[n] for n in names[::4]]
        for how in ("hybrid", "lexical", "dense"):
            for per_document in (False, True):
                hits = index.search_all(queries, 3, how, per_document=per_document)
                found[f"{how}{', documents' if per_document else ''}"] = [
                    [[h.document, list(h.positions), h.score] for h in each] for each in hits]
        hits = index.search_all(queries[:2], 2)
        near = narrowed(queries[:2], hits, 2)
        found["narrowed"] = [[[h.document, list(h.positions), h.dense] for h in each] for each in near]
        found["written"] = write_answers(["Who said so?", "When was it?"], [[h.passage for h in n] for n in near])
    return json.loads(json.dumps(rounded(found)))


def tables_0_4_0():
    "Name of the table, estimator, task and whether validation rows are given: every stored row."
    from ft_course import results as r
    for name in ("airline", "headlines", "headline_writing"):
        for each in r.estimators(name).values(): yield name, each, r.load_task(name), False
        for row, settings in r.candidates(name).items():
            for each in settings.values():
                if len(settings) > 1: yield f"{name}_choosing", each, r.load_task(name), False
    for each in r.cut_networks().values(): yield "airline_layers", each, r.load_task("airline"), False
    for name, parts in r.SMALL_TABLES.items():
        for part in parts():
            for each in part["estimators"].values(): yield name, each, part["task"], part.get("validation", False)
    yield "search_trials", r.FineTunedClassifier("minilm"), r.search_task(), False
    yield "facts", r.FineTunedGenerator("smollm2", r.LastLayers(12)), r.load_task("headline_writing"), False


if __name__ == "__main__":
    import sys, time
    probes = {}
    for table, estimator, task, validation in tables_0_4_0():
        if (name := kind(estimator)) is None: continue
        if name not in probes:
            start = time.perf_counter()
            probes[name] = {"tables": [], "task": task.name, "values": run(estimator, task, validation)}
            print(f"{time.perf_counter() - start:5.1f} s  {name}", file=sys.stderr)
        if table not in probes[name]["tables"]: probes[name]["tables"].append(table)
    start = time.perf_counter()
    probes["retrieval"] = {"tables": ["rag", "facts"], "task": "questions", "values": run_retrieval()}
    print(f"{time.perf_counter() - start:5.1f} s  retrieval; {len(probes)} probes", file=sys.stderr)
    with open(sys.argv[1], "w", encoding="utf-8") as file: json.dump(probes, file, indent=1)
