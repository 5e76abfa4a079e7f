"The stored table of cut networks (the other stored tables are checked in test_evaluation)."
import numpy as np


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
