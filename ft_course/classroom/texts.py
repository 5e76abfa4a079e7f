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
