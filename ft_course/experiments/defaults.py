"Do the defaults of fine-tuning serve? Tried on three tasks, with few rows a label and with all; shown in chapter 05."
from dataclasses import replace

import numpy as np
import pandas as pd

from ft_course.data import load_task, read_articles
from ft_course.embeddings import EmbeddingClassifier
from ft_course.estimators import FewPerLabel, FineTunedClassifier
from ft_course.evaluation import holm, verdict
from ft_course.results import stored, table
from ft_course.retrieval.passages import sentences
from ft_course.training import HParams

USUAL = HParams(num_train_epochs=2, per_device_train_batch_size=32)
WAYS = {"frozen encoder": EmbeddingClassifier(C=(1., 10., 100.)),
        "defaults before": FineTunedClassifier(head="random", hparams=USUAL),
        "defaults": FineTunedClassifier()}


def which_article(
    n_articles: int,
):  # a `Task` whose labels are the articles' names
    "Which of the articles with the most sentences is this sentence from? Sentences of several articles are left out."
    rows = read_articles()[["id", "body"]].assign(text=lambda a: a["body"].map(sentences)).explode("text")
    rows = rows[(rows["text"].str.len() > 30) & ~rows["text"].duplicated(keep=False)]
    longest = rows["id"].value_counts().index[:n_articles]
    return load_task(rows[rows["id"].isin(longest)], label="id", name=f"{n_articles}_articles")


def few_and_all(task, sizes) -> tuple:
    "The task with at most 500 test rows, and the ways at each number of rows a label."
    rows = {f"{n or 'all'}: {way}": FewPerLabel(estimator, n) for n in sizes for way, estimator in WAYS.items()}
    return replace(task.take(test=500), name=f"defaults_{task.name}"), rows


@table("defaults_headlines", range(5))
def headlines(): return few_and_all(load_task("headlines"), (8, 32, 128, None))
@table("defaults_airline", range(5))
def airline(): return few_and_all(load_task("airline"), (8, 32, 128, None))
@table("defaults_77_articles", range(5))
def articles(): return few_and_all(which_article(77), (8, None))


TASKS = ("headlines", "airline", "77_articles")


def sizes_table() -> pd.DataFrame:
    """A row for each task and number of rows a label: macro-F1 of the ways, what the defaults win over the frozen encoder and
    its verdict after Holm's correction over all rows, with 95 % intervals over test items and draws, and seconds."""
    rows, won = {}, []
    for task in TASKS:
        runs = stored(f"defaults_{task}")
        for n in dict.fromkeys(row.split(":")[0] for row in runs.records):
            records = {way: runs.records[f"{n}: {way}"] for way in WAYS}
            won.append(runs.interval(f"{n}: defaults", "macro_f1", f"{n}: frozen encoder"))
            rows[task.replace("_", " "), n] = {"draws": len(records["defaults"])} | {
                way: f"{runs.interval(f'{n}: {way}', 'macro_f1'):.2f}" for way in WAYS} | {
                "defaults - frozen": f"{won[-1]:+.2f}"} | {
                f"s, {way}": round(np.mean([r["fit_seconds"] + r["answer_seconds"] for r in records[way]]))
                for way in ("frozen encoder", "defaults")}
    verdicts = [verdict(d, p_value=p) for d, p in zip(won, holm([d.p_value for d in won]))]
    return pd.DataFrame(rows).T.assign(verdict=verdicts).rename_axis(["task", "rows a label"])
