"""Which estimators the course compares, how their settings were chosen, and the stored runs"""


import json
from dataclasses import replace
from functools import partial, reduce
from importlib import resources
from operator import or_

from sklearn.base import clone

from ft_course.core import atomic_path, cache_dir
from ft_course.data import Task, load_task
from ft_course.embeddings import EmbeddingClassifier, embedding_rows
from ft_course.evaluation import Comparison, compare, fingerprint, provenance
from ft_course.hyperparameters import SPACE, KnownBefore, search
from ft_course.prompting import SYSTEM, PromptClassifier, prompt_choices, prompted
from ft_course.regularization import DropoutRate
from ft_course.estimators import FineTunedClassifier, FineTunedGenerator
from ft_course.training import EarlyStopping, Full, gflops, HeadOnly, HParams, LastLayers

STORE = resources.files("ft_course")/"results"/"stored"
SEEDS = (0, 1, 2)

def _tfidf(C, class_weight=None):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
                         LogisticRegression(C=C, class_weight=class_weight, max_iter=3000))

def _tuned(learning_rate, epochs, head_rate=1., pretrained=True):
    hparams = HParams(learning_rate=learning_rate, num_train_epochs=epochs, per_device_train_batch_size=16)
    return FineTunedClassifier("minilm", Full(head_rate), hparams, pretrained=pretrained)

def _writer(learning_rate, epochs, method):
    return FineTunedGenerator("smollm2", method,
                              HParams(learning_rate=learning_rate, num_train_epochs=epochs,
                                      per_device_train_batch_size=8, max_length=192),
                              instruction="Write a short newspaper headline for this story.")

def _frozen(C, class_weight=None):
    return EmbeddingClassifier(C=C, class_weight=class_weight)

def candidates(
    task: str,  # "airline", "headlines" or "headline_writing"
) -> dict:      # row -> {name of the setting: estimator}
    "Every setting that was tried for each row of a task's table."
    from sklearn.dummy import DummyClassifier
    if task == "headline_writing":
        return {"before": {"as it is": _writer(1e-4, 0, Full()).set_params(random_state=None)},
                "fine-tuned": {f"last {k} layers, rate {lr:g}": _writer(lr, 1, LastLayers(k))
                               for k, lr in WRITER}}
    linear = [(C, w) for C in (1, 10, 100) for w in (None, "balanced")]
    return {"majority": {"most frequent": DummyClassifier()},
            "TF-IDF": {f"C={C}, weights={w}": _tfidf(C, w) for C, w in linear},
            "frozen encoder": {f"C={C}, weights={w}": _frozen(C, w) for C, w in linear},
            "zero-shot prompt": {name: PromptClassifier(text, random_state=None)
                                 for name, text in SYSTEM[task].items()},
            "random weights": {f"rate {lr:g}": _tuned(lr, EPOCHS[task], pretrained=False)
                               for lr in (2e-4, 5e-4)},
            "fine-tuned": {f"rate 0.0001, head {h:g} times": _tuned(1e-4, EPOCHS[task], h)
                           for h in (1., 10.)}}

EPOCHS = {"airline": 1, "headlines": 4}
WRITER = [(12, 2e-4), (12, 5e-4)]

CHOSEN = {
    "airline": {"majority": "most frequent", "TF-IDF": "C=100, weights=balanced",
                "frozen encoder": "C=10, weights=None",
                "zero-shot prompt": "plain", "random weights": "rate 0.0002",
                "fine-tuned": "rate 0.0001, head 10 times"},
    "headlines": {"majority": "most frequent", "TF-IDF": "C=100, weights=balanced",
                  "frozen encoder": "C=1, weights=balanced", "zero-shot prompt": "short",
                  "random weights": "rate 0.0002", "fine-tuned": "rate 0.0001, head 10 times"},
    "headline_writing": {"before": "as it is", "fine-tuned": "last 12 layers, rate 0.0002"},
}

def choosing(
    task: Task,
) -> Task:
    "The task with its validation items in the test items' place, under the name `<task>_choosing`."
    rows = {"train": 240, "test": 80} if task.name == "headline_writing" else {}
    return _fewer(task, f"{task.name}_choosing", "validation", **rows)

def _fewer(task: Task, name: str, test_split: str, train: int | None = None, test: int | None = None) -> Task:
    "The task under another name, with the first rows of its training set and of the split that is tested on."
    from datasets import DatasetDict
    data = DatasetDict({split: task.data[split] for split in ("train", "validation")}
                       | {"test": task.data[test_split]})
    rows = {k: n for k, n in {"train": train, "test": test}.items() if n}
    return replace(task, name=name, data=data).take(**rows)

def choosing_seeds(task: str, row: str) -> tuple:
    "The seeds with which a row's candidates compete."
    return SEEDS if row == "fine-tuned" and task != "headline_writing" else SEEDS[:1]

def winners(
    task: str,
) -> dict:  # row -> name of the setting that did best on validation
    "What the stored validation runs say."
    best = {}
    for row, settings in candidates(task).items():
        names = list(settings)
        if len(names) > 1:
            runs = compare({f"{row}: {n}": e for n, e in settings.items()}, choosing(load_task(task)),
                           choosing_seeds(task, row), store=STORE, run=False)
            sign, metric = (-1, "loss") if task == "headline_writing" else (1, None)
            names.sort(key=lambda n: -sign*runs.interval(f"{row}: {n}", metric).value)
        best[row] = names[0]
    return best

def estimators(
    task: str,  # "airline", "headlines" or "headline_writing"
) -> dict:      # row -> unfitted estimator
    "The rows of the task's table, with the settings that were chosen on validation."
    return {row: settings[CHOSEN[task][row]] for row, settings in candidates(task).items()}

LIVE = {"airline": {"test": 500}, "headline_writing": {"train": 160, "test": 48}}

def live(
    task: Task,
) -> Task:
    """The task as a live table uses it: the first 500 test items of `airline`; the first 160 training rows
    and 48 test items of `headline_writing`; any other as it is."""
    return _fewer(task, task.name, "test", **LIVE[task.name]) if task.name in LIVE else task

def full_size(
    name: str,
) -> Task:
    """The task as its stored table uses it: all of it; of `headline_writing` the first 480 training rows
    and 200 test items."""
    task = load_task(name)
    return _fewer(task, name, "test", train=480, test=200) if name == "headline_writing" else task

def cut_networks() -> dict:
    "The encoder cut to its first 1, 2 and 3 layers, pretrained and random: row -> unfitted estimator."
    rows = estimators("airline")
    return {f"{k} layer{'s' if k > 1 else ''}{suffix}": clone(rows[row]).set_params(layers=k)
            for row, suffix in (("fine-tuned", ""), ("random weights", ", random")) for k in (1, 2, 3)}

KNOBS = {"learning_rate": (1e-6, 1e-5, 3e-4, 1e-3, 3e-3), "per_device_train_batch_size": (8, 16, 128),
         "num_train_epochs": (1, 4), "weight_decay": (1.,), "warmup_steps": (0.,), "dropout": (0., .5)}

def turned(name: str, value) -> FineTunedClassifier:
    "The default run with one hyperparameter at another value."
    callbacks = (KnownBefore(), *([DropoutRate(value)] if name == "dropout" else []))
    hparams = HParams() if name == "dropout" else replace(HParams(), **{name: value})
    return FineTunedClassifier("minilm", hparams=hparams, callbacks=callbacks)

def knob(
    name: str,  # one of `KNOBS`
) -> dict:      # row ("learning_rate 1e-06") -> unfitted estimator
    "The rows in which this hyperparameter has another value than its default."
    return {f"{name} {value:g}": turned(name, value) for value in KNOBS[name]}

def knob_task() -> Task:
    "1,000 training tweets, and the first 500 validation tweets in the test items' place."
    return _fewer(load_task("airline"), "airline_knobs", "validation", train=1000, test=500)

def knob_parts() -> list[dict]:
    "What `compare` is called with for the table of all knobs."
    rows = {"default": turned("num_train_epochs", HParams().num_train_epochs)}
    return [{"estimators": rows | {k: e for name in KNOBS for k, e in knob(name).items()},
             "task": knob_task(), "seeds": SEEDS}]

def batch_parts() -> list[dict]:
    "The same for the batch sizes, five seeds each."
    rows = {"default": turned("num_train_epochs", HParams().num_train_epochs)}
    return [{"estimators": rows | knob("per_device_train_batch_size"), "task": knob_task(), "seeds": range(5)}]

FEW = HParams(learning_rate=2e-4, num_train_epochs=12, per_device_train_batch_size=16, max_steps=156)

def remedies() -> dict:   # row -> unfitted estimator
    "The run that overfits, and the same with one thing changed."
    def with_(method=Full(), callbacks=(), **hparams):
        return FineTunedClassifier("minilm", method, replace(FEW, **hparams), callbacks=callbacks)
    return {"as it is": with_(), "early stopping": with_(callbacks=(EarlyStopping(2),)),
            "head only": with_(HeadOnly()), "last 2 layers": with_(LastLayers(2)),
            "dropout 0.3": with_(callbacks=(DropoutRate(.3),)),
            "dropout 0.5": with_(callbacks=(DropoutRate(.5),)),
            "weight decay 1": with_(weight_decay=1.), "smaller rate": with_(learning_rate=3e-5)}

def overfitting_parts() -> list[dict]:
    "What `compare` is called with: 200 rows for all remedies, then more rows."
    task = load_task("airline").take(validation=300, test=1000)
    few = replace(task, name="airline_few")
    common = {"seeds": SEEDS, "validation": True}
    return [{"estimators": remedies(), "task": few.take(train=200), **common},
            *({"estimators": {f"{n} rows": remedies()["as it is"]}, "task": few.take(train=n), **common}
              for n in (400, 800))]

N_TRIALS, SEARCH_SEEDS, TRIALS = 12, (1, 2, 3), STORE/"airline_search_trials.json"

def search_task() -> Task:
    "1,000 training tweets, 500 validation tweets to choose by, 1,000 test tweets."
    return replace(load_task("airline").take(train=1000, validation=500, test=1000), name="airline_search")

def search_trials() -> list[dict]:
    """The stored trials of the search, in order: `number`, `settings`, `value` (macro-F1 on the validation
    tweets), `seconds`."""
    return json.loads(TRIALS.read_text(encoding="utf-8"))["trials"]

def _search_settings() -> dict:
    "What the trials depend on; kept beside them, so that stale ones show."
    digest = fingerprint(FineTunedClassifier("minilm"), search_task(), 0, validation=True)
    return {"n_trials": N_TRIALS, "space": {k: list(v) for k, v in SPACE.items()}, "fingerprint": digest}

def search_is_stale() -> bool:
    "Whether the stored trials are missing, or were made with other settings, rows or code."
    if not TRIALS.is_file(): return True
    kept = json.loads(TRIALS.read_text(encoding="utf-8"))
    return any(kept.get(k) != v for k, v in _search_settings().items())

def _make_search(folder):
    "Makes the trials, in a study that goes on where it was stopped."
    study = search(search_task(), N_TRIALS, f"{folder}/airline_search_{_search_settings()['fingerprint']}.db")
    trials = [{"number": t.number, "settings": t.params, "value": round(t.value, 4),
               "seconds": round(t.duration.total_seconds(), 1)}
              for t in study.trials if t.value is not None]
    with atomic_path(TRIALS) as tmp:
        kept = {"trials": trials} | _search_settings() | provenance()
        tmp.write_text(json.dumps(kept, indent=1), encoding="utf-8")

def searched_parts() -> list[dict]:
    "What `compare` is called with: the defaults, and what the search found best."
    best = max(search_trials(), key=lambda trial: trial["value"])["settings"]
    return [{"estimators": {"default": FineTunedClassifier("minilm"),
                            "found": FineTunedClassifier("minilm", hparams=replace(HParams(), **best))},
             "task": search_task(), "seeds": SEARCH_SEEDS}]

def alternatives(
    task: str,  # "headlines" or "airline"
) -> dict:      # row -> unfitted estimator
    "Baselines, prompts, classifiers on frozen vectors, and full fine-tuning."
    rows = estimators(task)
    return ({row: rows[row] for row in ("majority", "TF-IDF")} | prompted(task) | embedding_rows(task)
            | {"fine-tuned": rows["fine-tuned"]})

def alternative_parts(task: str) -> list[dict]:
    "What `compare` is called with."
    return [{"estimators": alternatives(task), "task": full_size(task), "seeds": SEEDS}]

def prompt_parts(task: str) -> list[dict]:
    "What `compare` is called with for all prompts, on the first 200 validation items, one draw of examples."
    chosen_on = choosing(load_task(task)).take(test=200)
    return [{"estimators": prompt_choices(task), "task": replace(chosen_on, name=f"{task}_prompts"),
             "seeds": SEEDS[:1]}]

SMALL_TABLES = {"headlines_alternatives": partial(alternative_parts, "headlines"),
                "airline_alternatives": partial(alternative_parts, "airline"),
                "headlines_prompts": partial(prompt_parts, "headlines"),
                "airline_prompts": partial(prompt_parts, "airline"),
                "knobs": knob_parts, "batches": batch_parts, "overfitting": overfitting_parts,
                "searched": searched_parts}

def stored(
    task: str,  # "airline", "headlines", "headline_writing", "airline_layers", or one of `SMALL_TABLES`
) -> Comparison:
    "The stored table: three seeds where seeds matter, canonical test items."
    if task in SMALL_TABLES:
        return reduce(or_, (compare(**part, store=STORE, run=False) for part in SMALL_TABLES[task]()))
    if task != "airline_layers":
        return compare(estimators(task), full_size(task), SEEDS, store=STORE, run=False)
    whole, cut = stored("airline"), compare(cut_networks(), load_task("airline"), SEEDS, store=STORE, run=False)
    six = {"6 layers": "fine-tuned", "6 layers, random": "random weights"}
    records = cut.records | {row: whole.records[of] for row, of in six.items()}
    stale = (*cut.stale, *(row for row, of in six.items() if of in whole.stale))
    return replace(cut, records=dict(sorted(records.items(), key=lambda row: ("random" in row[0], row[0]))),
                   stale=stale)

def make_results(tasks=("airline", "headlines", "headline_writing")):
    """Makes what is missing or stale, validation grids first; prints the tables.
    Takes about three hours from nothing, resumes where it was stopped."""
    for name in tasks:
        task = load_task(name)
        for row, settings in candidates(name).items():
            if len(settings) > 1:
                compare({f"{row}: {n}": e for n, e in settings.items()}, choosing(task),
                        choosing_seeds(name, row), store=STORE)
        wins = winners(name)
        if wins != CHOSEN.get(name):
            raise ValueError(f"the validation runs of {name} chose {wins}, and results.CHOSEN says "
                             f"{CHOSEN.get(name)}: write the former into the latter")
        print(compare(estimators(name), full_size(name), SEEDS, store=STORE).table().to_string(), flush=True)
        if name == "airline":
            print(compare(cut_networks(), task, SEEDS, store=STORE).table().to_string(), flush=True)
    if search_is_stale(): _make_search(cache_dir()/"searches")
    for name, parts in SMALL_TABLES.items():
        for part in parts(): print(compare(**part, store=STORE).table().to_string(), flush=True)
    from ft_course.rag import make_facts, make_rag
    make_rag(), make_facts()

REFERENCE_GFLOPS = 240.  # fp32 matrix products on the two cores on which the chapters' minutes were measured

def minutes_here(
    minutes: float,  # of computing, on the reference machine
) -> float:
    "The same on this machine, scaled by the measured speed of matrix products."
    return minutes*REFERENCE_GFLOPS / max(gflops() for _ in range(5))   # what else runs can only slow it down
