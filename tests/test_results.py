"The stored tables of chapters 02 and 06 to 10 (those of chapter 01 are checked in test_evaluation)."
import numpy as np
import pytest


def test_cut_networks_are_stored_with_three_seeds():
    from ft_course.data import load_task
    from ft_course.results import SEEDS, stored
    table, ids = stored("airline_layers"), list(load_task("airline").data["test"]["id"])
    assert list(table.records) == [f"{k} layer{'s' if k > 1 else ''}{suffix}" for suffix in ("", ", random") for k in (1, 2, 3, 6)]
    assert not table.stale, f"make results: {table.stale}"
    for row, runs in table.records.items():
        assert len(runs) == len(SEEDS) and all(r["ids"] == ids and 0 < r["fit_seconds"] for r in runs), row
        assert all(0 <= np.min(r["confidence"]) <= np.max(r["confidence"]) <= 1 for r in runs)


def test_fewer_layers_are_faster():
    from ft_course.results import stored
    records = stored("airline_layers").records
    seconds = [np.median([r["fit_seconds"] for r in records[row]]) for row in ("1 layer", "2 layers", "3 layers", "6 layers")]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("name", ["knobs", "batches", "overfitting", "searched", "headlines_alternatives", "airline_alternatives", "headlines_prompts",
                                  "airline_prompts"])
def test_small_tables_are_stored_whole_and_fresh(name):
    from ft_course.results import SMALL_TABLES, stored
    table, parts = stored(name), SMALL_TABLES[name]()
    assert not table.stale, f"make results: {table.stale}"
    assert set(table.records) == {row for part in parts for row in part["estimators"]}
    for part in parts:
        ids = list(part["task"].data["test"]["id"])
        for row, estimator in part["estimators"].items():
            lucky = estimator.get_params().get("random_state") is not None   # others give the same with any seed
            assert len(table.records[row]) == (len(part["seeds"]) if lucky else 1), row
            if lucky: assert sorted(r["seed"] for r in table.records[row]) == list(part["seeds"]), row
            assert all(r["ids"] == ids for r in table.records[row]), row


@pytest.mark.parametrize("task", ["headlines", "airline"])
def test_the_best_prompt_is_the_one_that_validation_chose(task):
    from ft_course.prompting import BEST_PROMPT
    from ft_course.results import stored
    tried = stored(f"{task}_prompts")
    assert max(tried.records, key=lambda row: tried.interval(row).value) == BEST_PROMPT[task]


def test_the_search_is_stored_whole_and_fresh():
    from ft_course.results import N_TRIALS, search_is_stale, search_trials
    trials = search_trials()
    assert not search_is_stale(), "make results"
    assert [t["number"] for t in trials] == list(range(N_TRIALS)) and all(0 <= t["value"] <= 1 for t in trials)


def test_a_search_with_other_settings_is_stale(monkeypatch):
    from ft_course import results
    monkeypatch.setattr(results, "SPACE", results.SPACE | {"num_train_epochs": (1, 5)})
    assert results.search_is_stale()
