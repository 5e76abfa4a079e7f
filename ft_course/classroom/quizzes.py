"Quiz questions with a reason beside every choice."
from ft_course.classroom.texts import chapter_texts
from ft_course.core import did_you_mean
from ft_course.core.contents import contents


def quiz_names() -> list[str]:
    "Names of the course's quiz questions ('06.batch'), in order."
    return [f"{c.number}.{key}" for c in contents() for key in chapter_texts("quizzes", c.number)]


def quiz_question(
    name: str,   # "06.batch"
) -> dict:       # question, choices: a list of dicts with text, why, and right in one of them
    "A quiz question. Raises `ValueError` for an unknown one."
    chapter, _, key = str(name).partition(".")
    questions = chapter_texts("quizzes", chapter)
    if key not in questions:
        raise ValueError(f"there is no quiz question {name!r}{did_you_mean(name, quiz_names())}")
    return questions[key]
