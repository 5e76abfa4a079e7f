"""Stored tables: a chapter declares one where it uses it, each run is a record whose inputs can be read, and only what
is missing or was made from other inputs is made."""
import importlib
from dataclasses import dataclass, replace
from functools import reduce
from importlib import resources
from operator import or_

import numpy as np

from ft_course.core import look_up
from ft_course.core.contents import contents
from ft_course.evaluation import Comparison, compare

STORE = resources.files("ft_course")/"results"/"stored"


@dataclass(frozen=True)
class Part:
    "Rows of a table that share task and seeds."
    task: object              # a `Task`
    rows: dict                # row -> unfitted estimator
    seeds: tuple = (0,)       # one run each, of estimators that have a `random_state`
    validation: bool = False  # hand the task's validation rows to `fit`?


_declared = {}   # name -> function that gives the table's parts


def table(
    name: str,   # "lora_ranks"; also in `course.toml`, with its chapter
    seeds=(0,),
    validation: bool = False,
):
    """Decorator: declares the stored table `name`. The function gives a task and its rows (row -> unfitted estimator),
    or a list of `Part` where rows differ in task or seeds; it is called when the table is wanted."""
    def declare(function):
        def parts() -> list[Part]:
            made = function()
            return made if isinstance(made, list) else [Part(*made, tuple(seeds), validation)]
        _declared[name] = parts
        return function
    return declare


def table_names() -> list[str]:
    "Names of all stored tables, chapter by chapter."
    return [name for chapter in contents() for name in chapter.tables]


def parts_of(name: str) -> list[Part]:
    "The table as its chapter declares it. Raises `ValueError` for one that no chapter has."
    if name not in _declared:
        look_up(name, table_names(), "there is no stored table")
        of = next(c for c in contents() if name in c.tables)
        for chapter in [of, *contents()]:   # a later chapter's table may stand beside an earlier one's rows
            if name not in _declared: [importlib.import_module(f"ft_course.{module}") for module in chapter.modules]
        if name not in _declared:
            raise ValueError(f"course.toml has the table {name!r} in chapter {of.number}, which declares none")
    return _declared[name]()


def stored(name: str) -> Comparison:
    "The stored table: its records, those made from other inputs than today's named in `stale`."
    return _table(name, run=False)


def make(name: str) -> Comparison:
    "The stored table, its missing and stale records made."
    return _table(name, run=True)


def _table(name: str, run: bool) -> Comparison:
    return reduce(or_, (compare(p.rows, p.task, p.seeds, store=STORE, run=run, validation=p.validation)
                        for p in parts_of(name)))


def fewer(task, name: str, train: int | None = None, test: int | None = None):
    "The task under a name, with the first rows of its training and its test set."
    return replace(task, name=name).head(**{k: n for k, n in {"train": train, "test": test}.items() if n})


def on_items(
    made: Comparison,  # rows on at least the test items of `task`
    task,              # a `Task`
) -> Comparison:
    "The rows on that task's test items alone, the seconds in proportion, to stand beside rows that read no others."
    ids = task.data["test"]["id"][:]
    def cut(run: dict) -> dict:
        place = {name: i for i, name in enumerate(run["ids"])}
        if missing := [name for name in ids if name not in place]:
            raise ValueError(f"the row {run['row']!r} has no answer to the item {missing[0]!r}; "
                             "give a task whose test items it read")
        def kept(values): return [values[place[name]] for name in ids]
        found = {key: kept(run[key]) for key in ("ids", "predictions", "confidence") if key in run}
        if "scores" in run: found["scores"] = {metric: kept(values) for metric, values in run["scores"].items()}
        return run | found | {"answer_seconds": run["answer_seconds"] and run["answer_seconds"]*len(ids)/len(run["ids"])}
    records = {row: [cut(run) for run in runs] for row, runs in made.records.items()}
    return Comparison(task, records, made.stale, np.array(task.split("test")[1]))
