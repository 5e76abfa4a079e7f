"Intervals contain the truth as often as they say: a small part of `interval_coverage.py`, and its stored table."
import pytest
from interval_coverage import FILE, GRID, N_SETS, coverage

from ft_course.core.records import read_record


def test_stored_coverage_is_whole_and_holds():
    stored = read_record(FILE)
    assert list(stored["cells"]) == [str(cell) for cell in GRID] and stored["n_sets"] == N_SETS == 1000
    for what in ("score", "difference"):
        found = [cell[what] for cell in stored["cells"].values()]
        assert min(found) >= .9 and sum(f >= .92 for f in found) >= .9*len(found), what


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 9, 13])
def test_a_simulation_agrees(number):
    found, stored = coverage(GRID[number], n_sets=100, n_draws=200), read_record(FILE)["cells"][str(GRID[number])]
    for what in ("score", "difference"): assert abs(found[what] - stored[what]) < .08, what   # three standard errors
