"Each check is proved once: it accepts the model solution and unusual right ones, and rejects what people get wrong, with a sentence."
import pytest
from check_cases import RIGHT, WRONG, attempt

from ft_course.classroom.solutions import exercise_names, model_solutions


def cases(by_exercise):
    return [pytest.param(name, case, id=f"{name}-{i}") for name, several in by_exercise.items() for i, case in enumerate(several)]


def test_every_check_has_its_cases():
    assert [*WRONG] == exercise_names() and {*RIGHT} <= {*WRONG} and all(len(several) >= 2 for several in WRONG.values())


@pytest.mark.parametrize("name, source", [*cases({name: [source] for name, source in model_solutions().items()}), *cases(RIGHT)])
def test_a_right_solution_is_accepted(name, source):
    outcome = attempt(name, source)
    assert outcome.state == "solved", outcome.message


@pytest.mark.parametrize("name, case", cases(WRONG))
def test_a_wrong_solution_is_rejected_with_a_sentence(name, case):
    source, said = case
    outcome = attempt(name, source)
    assert outcome.state == "wrong" and said in outcome.message
