"Quiz questions with a reason beside every choice."
import tomllib
from importlib import resources

from ft_course.core import did_you_mean
from ft_course.core.contents import contents


def quiz_names() -> list[str]:
    "Names of the course's quiz questions ('06.batch'), in order."
    return [f"{c.number}.{key}" for c in contents() for key in _questions(c.number)]


def _questions(chapter: str) -> dict:
    file = resources.files("ft_course")/"classroom"/"quizzes"/f"{chapter}.toml"
    if not file.is_file(): return {}
    return tomllib.loads(file.read_text(encoding="utf-8"))


def quiz_question(
    name: str,   # "06.batch"
) -> dict:       # question, choices: a list of dicts with text, why, and right in one of them
    "A quiz question. Raises `ValueError` for an unknown one."
    chapter, _, key = str(name).partition(".")
    questions = _questions(chapter)
    if key not in questions:
        raise ValueError(f"there is no quiz question {name!r}{did_you_mean(name, quiz_names())}")
    return questions[key]
