"Solutions by someone who saw the exercises' texts and not their checks: wrong ones are rejected, right ones accepted."
import pytest
from blind_solutions import RIGHT, WRONG

from check_cases import attempt

NUMBERED = lambda pairs: [pytest.param(*pair, id=f"{i:02d}-{pair[0]}") for i, pair in enumerate(pairs)]


@pytest.mark.parametrize("name, source", NUMBERED(WRONG))
def test_a_wrong_one_is_rejected_with_a_reason(name, source):
    outcome = attempt(name, source)
    assert outcome.state == "wrong" and len(outcome.message) > 20


@pytest.mark.parametrize("name, source", NUMBERED(RIGHT))
def test_a_right_one_is_accepted(name, source):
    outcome = attempt(name, source)
    assert outcome.state == "solved", outcome.message


def test_most_chapters_have_some():
    assert len(RIGHT) >= 6 and len(WRONG) >= 6 and {name[:2] for name, _ in RIGHT + WRONG} >= {f"{n:02d}" for n in range(1, 8)}
