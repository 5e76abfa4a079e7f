"Exercises: a check, three hints, and what the check found."
import importlib.util
import inspect
import textwrap
from dataclasses import dataclass

import numpy as np

from ft_course.classroom.expect import NotAttempted, Wrong, in_words, shown
from ft_course.classroom.running import TooLong, guarded
from ft_course.classroom.solutions import exercise_names
from ft_course.core import did_you_mean
from ft_course.core.lazy import lazy_names

LEVELS = ("warm-up", "core", "stretch")
_exercises = {}


@dataclass(frozen=True)
class Exercise:
    "A named check with its level, hints, what a solution may use, and a picture of the learner's objects."
    name: str        # "06.warmup"
    level: str       # one of `LEVELS`
    check: object    # a function of the named objects
    hints: tuple     # three, from a nudge to nearly the answer
    uses: str = ""   # source that stands before a solution when it is proved
    draw: object = None   # (named objects) -> matplotlib Figure, shown with every attempt

    @property
    def wants(self) -> dict:   # object's name -> kind, or None
        "The objects that the check asks for."
        return {name: None if p.annotation is p.empty else p.annotation
                for name, p in inspect.signature(self.check).parameters.items()}


def exercise(
    name: str,
    level: str,
    hints: list[str],
    uses: str = "",
    draw=None,
):
    "Decorator: makes a function the check of the exercise `name`."
    if level not in LEVELS:
        raise ValueError(f"exercise({name!r}, level={level!r}): there are {', '.join(LEVELS)}")
    if len(hints) != 3: raise ValueError(f"exercise({name!r}) has {len(hints)} hints; it needs three")
    def registered(check):
        _exercises[name] = Exercise(name, level, check, tuple(hints), uses, draw)
        return check
    return registered


@dataclass(frozen=True)
class Outcome:
    "What a check found: `state` is 'solved', 'wrong' or 'not attempted'."
    name: str
    state: str
    message: str


def _is_number(value, kind=(int, float, np.number)) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)

KINDS = {   # annotation -> how a sentence calls it, what it holds for
    callable: ("a function", callable),
    float: ("a number", _is_number),
    int: ("a whole number", lambda v: _is_number(v, (int, np.integer))),
    str: ("a text", lambda v: isinstance(v, str)),
    list: ("a list", lambda v: isinstance(v, list)),
    dict: ("a dict", lambda v: isinstance(v, dict)),
    set: ("a set", lambda v: isinstance(v, (set, frozenset))),
}


def _a(word: str) -> str: return f"an {word}" if word[:1].lower() in tuple("aeiou") else f"a {word}"


def _wrong_kind(name: str, value, kind) -> str:
    "The sentence about an object of the wrong kind, or an empty string."
    if kind is None: return ""
    said, holds = KINDS.get(kind, (_a(getattr(kind, "__name__", str(kind))), lambda v: isinstance(v, kind)))
    if holds(value): return ""
    return f"`{name}` is {shown(value)}, {_a(type(value).__name__)}; it has to be {said}."


def find_exercise(
    name: str,
) -> Exercise:
    "The exercise of this name; its chapter's checks are imported when they are needed."
    name = str(name)
    checks = f"ft_course.classroom.checks.ch{name.split('.')[0]}"
    if name not in _exercises and importlib.util.find_spec(checks): importlib.import_module(checks)
    if name not in _exercises:
        raise ValueError(f"there is no exercise {name!r}{did_you_mean(name, [*_exercises, *exercise_names()])}")
    return _exercises[name]


def evaluate_exercise(
    name: str,
    objects: dict,   # names -> objects, a notebook's variables, say
) -> Outcome:
    "Runs the check on the named objects; nothing is recorded, and no error of the learner's code gets out."
    exercise = find_exercise(name)
    for n in exercise.wants:
        if objects.get(n) is None or objects[n] is ...:
            said = f"There is no `{n}` yet: write it, run its cell, then run this one again."
            return Outcome(name, "not attempted", said)
    for n, kind in exercise.wants.items():
        if said := _wrong_kind(n, objects[n], kind): return Outcome(name, "wrong", said)
    try:
        with guarded(): exercise.check(**{n: objects[n] for n in exercise.wants})
    except NotAttempted:
        said = "Nothing to check yet: replace the `...` by your code and run its cell."
        return Outcome(name, "not attempted", said)
    except Wrong as err: said = str(err)
    except KeyboardInterrupt: raise
    except TooLong as err: said = str(err)
    except BaseException as err:   # a result so odd that the check itself stumbled
        said = f"What your code returns cannot be checked ({in_words(err)}); look at its type and shape."
    else: return Outcome(name, "solved", "Right.")
    return Outcome(name, "wrong", said)


def attempt(
    name: str,
    source: str,   # what a learner might write
) -> Outcome:
    "The outcome for this source, run in a namespace of its own after what the exercise `uses`."
    space = {"__name__": "attempt"}
    exec(textwrap.dedent(find_exercise(name).uses), space)
    exec(textwrap.dedent(source), space)
    return evaluate_exercise(name, space)

__getattr__, _ = lazy_names(__name__, {   # moved; for callers that still look here
    **dict.fromkeys(("check", "hint", "solution"), "ft_course.classroom.checking"),
    **dict.fromkeys(("BEGIN", "END", "gather_solutions", "without_solution"), "ft_course.classroom.solutions"),
    **dict.fromkeys(("quiz_names", "quiz_question"), "ft_course.classroom.quizzes"), "marked_up": "ft_course.core.display"})
