"Exercises: a check, three hints, and what the check found."
import importlib.util
import inspect
import re
from dataclasses import dataclass

from ft_course.classroom.expect import NotAttempted, Wrong, in_words, shown
from ft_course.classroom.running import TooLong, guarded
from ft_course.classroom.solutions import exercise_names
from ft_course.classroom.texts import chapter_texts
from ft_course.core import did_you_mean

_exercises = {}


@dataclass(frozen=True)
class Exercise:
    "A named check with its level, hints, and a picture of the learner's objects."
    name: str        # "06.warmup"
    level: str       # "warm-up", "core" or "stretch"
    check: object    # a function of the named objects, each of them a function or a class
    hints: list      # three, from a nudge to nearly the answer
    title: str = ""  # as the chapter says it
    draw: object = None   # (named objects) -> matplotlib Figure, shown with every attempt

    @property
    def wants(self) -> list[str]:
        "Names of the objects that the check asks for."
        return list(inspect.signature(self.check).parameters)


def exercise(
    name: str,
    draw=None,
):
    "Decorator: makes a function the check of the exercise `name`; its title, level and hints stand in the chapter's file."
    chapter, _, key = name.partition(".")
    def registered(check):
        _exercises[name] = Exercise(name, check=check, draw=draw, **chapter_texts("hints", chapter)[key])
        return check
    return registered


@dataclass(frozen=True)
class Outcome:
    "What a check found: `state` is 'solved', 'wrong' or 'not attempted'."
    name: str
    state: str
    message: str


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


def unfinished_cell(
    name: str,
) -> Outcome | None:
    "Says so where the notebook's newest cell that defines what the exercise asks for ended in an error before it did."
    from IPython import get_ipython
    if (shell := get_ipython()) is None: return None
    cells = shell.user_ns.get("In", [])
    for n in find_exercise(name).wants:
        defining = [i for i, cell in enumerate(cells) if re.search(rf"^[ \t]*(?:async +)?(?:def|class) +{n}\b", cell, re.M)]
        try: source = "".join(inspect.findsource(shell.user_ns[n])[0]).strip() if n in shell.user_ns else None
        except (OSError, TypeError): continue   # made by other code
        made = [-1] if source is None else [i for i, cell in enumerate(cells) if cell.strip() == source]
        if defining and made and made[-1] < defining[-1]:
            return Outcome(name, "not attempted", f"The last cell with `{n}` ended in an error, so it was not judged: "
                           "mend what the error says, run the cell, then this one again.")
    return None


def evaluate_exercise(
    name: str,
    objects: dict,   # names -> objects, a notebook's variables, say
) -> Outcome:
    "Runs the check on the named objects; nothing is recorded, and no error of the learner's code gets out."
    exercise = find_exercise(name)
    try:
        for n in exercise.wants:
            if objects.get(n) is None or objects[n] is ...:
                raise NotAttempted(f"There is no `{n}` yet: write it, run its cell, then run this one again.")
            if not callable(objects[n]):
                raise Wrong(f"`{n}` is {shown(objects[n])}, of the type {type(objects[n]).__name__}; it has to be a function.")
        with guarded(): exercise.check(**{n: objects[n] for n in exercise.wants})
    except NotAttempted as err:
        said = str(err) or "Nothing to check yet: replace the `...` by your code and run its cell."
        return Outcome(name, "not attempted", said)
    except (Wrong, TooLong) as err: said = str(err)
    except KeyboardInterrupt: raise
    except BaseException as err:   # a result so odd that the check itself stumbled
        said = f"What your code returns cannot be checked ({in_words(err)}); look at its type and shape."
    else: return Outcome(name, "solved", "Right.")
    return Outcome(name, "wrong", said)
