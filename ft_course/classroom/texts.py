"What the classroom says, from its data files: questions, hints."
import tomllib
from importlib import resources


def chapter_texts(
    kind: str,     # a folder beside this module: "quizzes", "hints"
    chapter: str,  # "06"
) -> dict:
    "The chapter's texts of this kind; empty where it has none."
    file = resources.files("ft_course")/"classroom"/kind/f"{chapter}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def exercise_title(
    name: str,  # "05.steps"
) -> str:
    "Level and title of the exercise, as its chapter says them, and the name: 'Warm-up: how many steps? (05.steps)'."
    chapter, _, key = name.partition(".")
    said = chapter_texts("hints", chapter).get(key, {})
    return f"{said['level'].capitalize()}: {said['title']} ({name})" if "title" in said else name
