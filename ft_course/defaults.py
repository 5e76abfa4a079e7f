"Do the defaults of fine-tuning serve? Tried on five tasks, with few rows a label and with all; shown in chapter 05."
from dataclasses import replace

import numpy as np
import pandas as pd

from ft_course.data import load_task, read_articles
from ft_course.embeddings import EmbeddingClassifier
from ft_course.evaluation import holm, verdict
from ft_course.estimators import FewPerLabel, FineTunedClassifier
from ft_course.results import stored, table
from ft_course.retrieval.passages import sentences
from ft_course.training import HParams

BEFORE = HParams(num_train_epochs=2, per_device_train_batch_size=32)
WAYS = {"frozen encoder": EmbeddingClassifier(C=(1., 10., 100.)),
        "defaults before": FineTunedClassifier(hparams=BEFORE, head="random"),
        "defaults": FineTunedClassifier()}


def which_article(
    n_articles: int,
):  # a `Task` whose labels are the articles' names
    "Which of the articles with the most sentences is this sentence from? Sentences of several articles are left out."
    rows = read_articles()[["id", "body"]].assign(text=lambda a: a["body"].map(sentences)).explode("text")
    rows = rows[(rows["text"].str.len() > 30) & ~rows["text"].duplicated(keep=False)]
    longest = rows["id"].value_counts().index[:n_articles]
    return load_task(rows[rows["id"].isin(longest)], label="id", name=f"{n_articles}_articles")


def few_and_all(task, sizes=(8, None)) -> tuple:
    "The task with at most 500 test rows, and the ways at each number of rows a label."
    rows = {f"{n or 'all'}: {way}": FewPerLabel(estimator, n) for n in sizes for way, estimator in WAYS.items()}
    return replace(task.take(test=500), name=f"defaults_{task.name}"), rows


@table("defaults_headlines", range(5))
def headlines(): return few_and_all(load_task("headlines"), (8, 32, 128, None))
@table("defaults_airline", range(5))
def airline(): return few_and_all(load_task("airline"), (8, 32, 128, None))
@table("defaults_20_articles", range(5))
def articles_20(): return few_and_all(which_article(20))
@table("defaults_77_articles", range(5))
def articles_77(): return few_and_all(which_article(77))
@table("defaults_150_articles", range(5))
def articles_150(): return few_and_all(which_article(150))


TABLES = {"headlines": ("defaults_headlines", "macro_f1"), "airline": ("defaults_airline", "macro_f1")} | {
    f"{n} articles": (f"defaults_{n}_articles", "accuracy") for n in (20, 77, 150)}   # 150 labels: three test items each


def sizes_table() -> pd.DataFrame:
    """A row for each task and number of rows a label: the ways' scores, what the defaults win over the frozen encoder and its
    verdict after Holm's correction over all rows, with 95 % intervals over test items and draws, and the seconds of both."""
    rows, won = [], {}
    for task, (name, metric) in TABLES.items():
        runs = stored(name)
        for n in dict.fromkeys(row.split(":")[0] for row in runs.records):
            ways = {way: f"{n}: {way}" for way in WAYS}
            seconds = {way: np.mean([run["fit_seconds"] + run["answer_seconds"] for run in runs.records[row]])
                       for way, row in ways.items()}
            won[len(rows)] = runs.interval(ways["defaults"], metric, ways["frozen encoder"])
            rows.append({"task": task, "rows a label": n, "score": metric}
                        | {way: f"{runs.interval(row, metric):.2f}" for way, row in ways.items()}
                        | {"defaults - frozen": f"{won[len(rows)]:+.2f}"}
                        | {f"s, {way}": round(seconds[way]) for way in ("frozen encoder", "defaults")})
    verdicts = [verdict(d, p_value=p) for d, p in zip(won.values(), holm([d.p_value for d in won.values()]))]
    return pd.DataFrame(rows).assign(verdict=verdicts).set_index(["task", "rows a label"])
