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
    try: return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as err:
        raise ValueError(f"quizzes/{chapter}.toml cannot be read: {err}") from err


def quiz_question(
    name: str,   # "06.batch"
) -> dict:       # question, choices: a list of dicts with text, why, and right in one of them
    "A quiz question. Raises `ValueError` for an unknown one, and for one whose data is not whole."
    chapter, _, key = str(name).partition(".")
    questions = _questions(chapter)
    if key not in questions:
        raise ValueError(f"there is no quiz question {name!r}{did_you_mean(name, quiz_names())}")
    found = questions[key]
    choices = found.get("choices", []) if isinstance(found, dict) else []
    whole = (len(choices) >= 3 and found.get("question")
             and all(c.get("text") and c.get("why") for c in choices)
             and sum(bool(c.get("right")) for c in choices) == 1)
    if not whole:
        raise ValueError(f"quizzes/{chapter}.toml: {key} needs a question and three or more choices, "
                         "each with text and why, and one of them with right = true")
    return found
