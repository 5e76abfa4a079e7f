"The table of contents: every chapter that is written, from `course.toml`."
import functools
import tomllib
from dataclasses import dataclass
from importlib import resources

from ft_course.core.errors import look_up


@dataclass(frozen=True)
class Chapter:
    "A written chapter."
    number: str       # "06"
    file: str         # its notebook, below `nbs`
    title: str
    question: str     # the one that it answers
    part: str         # "1 foundations"
    core: bool        # is it on the core path?
    reading: float    # hours
    exercises: float  # hours
    minutes: float    # of computing, on two free cores (the reference machine)
    modules: list[str]   # what it exports, "training", and where its other tables are declared, "experiments.defaults"
    tables: list[str]    # names of the stored tables it shows


@functools.cache
def contents() -> tuple[Chapter, ...]:
    "The written chapters, in order."
    parts = tomllib.loads((resources.files("ft_course")/"course.toml").read_text(encoding="utf-8"))["parts"]
    return tuple(Chapter(number=entry["file"].split("/")[-1][:2], part=part["title"], **entry)
                 for part in parts for entry in part["chapters"])


def chapter(
    number: str,  # "06"
) -> Chapter:
    "The chapter of this number. Raises `ValueError` when it is not written."
    return look_up(number, {c.number: c for c in contents()}, "there is no chapter")


def hours(
    value: float,  # 1.75
) -> str:
    "'1¾': hours to the quarter."
    whole, quarters = divmod(round(4*value), 4)
    return f"{whole or ''}{('', '¼', '½', '¾')[quarters]}" or "0"
