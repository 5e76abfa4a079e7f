"""Checks that look at what your code does, hints in three steps, solutions that are tested, and quiz questions with reasons"""


import contextlib, copy, html, importlib, inspect, json, re, reprlib, signal, sys, textwrap, threading
from dataclasses import dataclass
from importlib import resources

import numpy as np

from ft_course.core import CourseError, did_you_mean
from ft_course.classroom.progress import Page, keep, recall

class Wrong(Exception):
    "What the learner's object does not do; the message says it in a sentence."

class NotAttempted(Exception):
    "There is nothing to check yet."

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 90
_short.maxlist = _short.maxtuple = _short.maxdict = 8

def shown(
    value,
) -> str:
    "The value as a message shows it: short, numbers with six digits. Never raises."
    try: return _shown(value)
    except Exception: return f"an object of type {type(value).__name__}"   # its own repr may fail

def _shown(value) -> str:
    if isinstance(value, (float, np.floating)): return f"{value:.6g}"
    if isinstance(value, np.ndarray) or hasattr(value, "detach"):   # of a huge array only the first corner
        corner = value[tuple(slice(9) for _ in value.shape)]
        value = (corner if isinstance(value, np.ndarray) else corner.detach()).tolist()
    short = isinstance(value, (list, tuple)) and len(value) <= 8
    if short and all(isinstance(v, (int, float, np.number)) for v in value):
        inside = ", ".join(_shown(v) for v in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    return _short.repr(value)

def expect(
    got,               # what the learner's object gave
    wanted,            # what is right: a number, a text, or lists, arrays and dicts of them
    when: str,         # "warmup_rate(3, 10, 0.001)"
    why: str = "",     # a hint at the reason, a sentence
    tolerance: float = 1e-5,   # share of the largest wanted number, at most of 1
):
    "Raises `Wrong`, with both values, unless they are equal; `NotAttempted` for `None` and `...`."
    if got is None or got is ...: raise NotAttempted()
    if not _same(got, wanted, tolerance):
        raise Wrong(f"{when} is {shown(got)}, and should be {shown(wanted)}.{' ' + why if why else ''}")

def _same(got, wanted, tolerance: float) -> bool:
    if isinstance(wanted, dict):
        return (isinstance(got, dict) and set(got) == set(wanted)
                and all(_same(got[k], wanted[k], tolerance) for k in wanted))
    if isinstance(wanted, (str, bool, np.bool_)) or wanted is None:
        return np.ndim(got) == 0 and bool(np.all(got == wanted))
    try:
        got, wanted = (np.asarray(v.detach() if hasattr(v, "detach") else v) for v in (got, wanted))
        if got.shape != wanted.shape: return False
        return _close(got, wanted, tolerance) if wanted.dtype.kind in "iufb" else bool((got == wanted).all())
    except (TypeError, ValueError): return False

def _close(got: np.ndarray, wanted: np.ndarray, tolerance: float) -> bool:
    if got.dtype.kind in "US" or any(isinstance(v, (str, bytes)) for v in got.flat if got.dtype.kind == "O"):
        return False   # the text "0.5" is no number
    wanted = wanted.astype(float)
    largest = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
    # a rate of 1e-6 is not 2e-6; rounding in 32 bits may be off by 1e-7
    absolute = max(tolerance*min(1., largest or 1.), 1e-7)
    return bool(np.allclose(got.astype(float), wanted, rtol=tolerance, atol=absolute, equal_nan=True))

class TooLong(BaseException):
    "A check's time is over. (No `Exception`: a learner's `except Exception` in a loop should not catch it.)"

def _said(err: BaseException) -> str:
    "An error's type and message, short."
    try: message = str(err)
    except Exception: message = "its message cannot be read"   # an error class of the learner's own
    return type(err).__name__ + (f": {textwrap.shorten(message, 300)}" if message else "")

def call(
    function,
    *args,
    **kwargs,
):
    """What the learner's function returns for copies of these inputs.
    Raises `Wrong` when it raises, `NotAttempted` for an empty one."""
    when = called(function, *args, **kwargs)
    try: result = function(*copy.deepcopy(args), **copy.deepcopy(kwargs))
    except (KeyboardInterrupt, TooLong): raise
    except NotImplementedError as err: raise NotAttempted() from err
    except BaseException as err: raise Wrong(f"{when} raised {_said(err)}") from err
    if result is None or result is ...: raise NotAttempted()
    return result

def called(function, *args, **kwargs) -> str:
    "The call as a message shows it."
    given = [shown(a) for a in args] + [f"{k}={shown(v)}" for k, v in kwargs.items()]
    name = getattr(function, "__name__", "your function")
    return f"{name}({', '.join(given)})"

def expect_call(
    function,
    *args,
    wanted,
    why: str = "",
    tolerance: float = 1e-5,
    **kwargs,
):
    "`expect` of what the function returns for these inputs."
    expect(call(function, *args, **kwargs), wanted, called(function, *args, **kwargs), why, tolerance)

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
    def keep_it(check):
        _exercises[name] = Exercise(name, level, check, tuple(hints), uses, draw)
        return check
    return keep_it

@dataclass(frozen=True)
class Outcome:
    "What a check found: `state` is 'solved', 'wrong' or 'not attempted'."
    name: str
    state: str
    message: str

def _number(value, kind=(int, float, np.number)) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)

KINDS = {   # annotation -> how a sentence calls it, what it holds for
    callable: ("a function", callable),
    float: ("a number", _number),
    int: ("a whole number", lambda v: _number(v, (int, np.integer))),
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
    chapter = name.split(".")[0]
    if name not in _exercises and chapter in chapters_with_checks():
        importlib.import_module(f"ft_course.classroom.checks.ch{chapter}")
    if name not in _exercises:
        raise ValueError(f"there is no exercise {name!r}{did_you_mean(name, [*_exercises, *exercise_names()])}")
    return _exercises[name]

def chapters_with_checks() -> list[str]:
    "Numbers of the chapters that have checked exercises."
    folder = resources.files("ft_course")/"classroom"/"checks"
    if not folder.is_dir(): return []
    return sorted(p.name[2:-3] for p in folder.iterdir() if p.name.startswith("ch") and p.name.endswith(".py"))

SECONDS, CHARACTERS = 30, 2000   # of a check

class _FirstLines:
    "A text stream that passes on the first characters and then says once that more was printed."
    def __init__(self, to, most: int): self.to, self.left = to, most

    def write(self, text):
        if self.left > 0: self.to.write(text[:self.left])
        if 0 < self.left < len(text): self.to.write("\n… more was printed; a check shows the beginning.\n")
        self.left -= len(text)
        return len(text)

    def __getattr__(self, name): return getattr(self.to, name)

@contextlib.contextmanager
def _within(seconds: float):
    "Raises `TooLong` in the block when the time is over, and again every second until it is left."
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    def over(*_): raise TooLong()
    before = signal.signal(signal.SIGALRM, over)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 1)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)

@contextlib.contextmanager
def _guarded():
    "For code of the learner's: little is shown of what it prints, and it has to end."
    with contextlib.redirect_stdout(_FirstLines(sys.stdout, CHARACTERS)), _within(SECONDS): yield

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
        with _guarded(): exercise.check(**{n: objects[n] for n in exercise.wants})
    except NotAttempted:
        said = "Nothing to check yet: replace the `...` by your code and run its cell."
        return Outcome(name, "not attempted", said)
    except Wrong as err: said = str(err)
    except KeyboardInterrupt: raise
    except TooLong: said = f"Your code had not ended after {SECONDS} seconds; is there a loop that never ends?"
    except BaseException as err:   # a result so odd that the check itself stumbled
        said = f"What your code returns cannot be checked ({_said(err)}); look at its type and shape."
    else: return Outcome(name, "solved", "Right.")
    return Outcome(name, "wrong", said)

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"

def without_solution(
    source: str,   # a cell
) -> str:
    "The cell with `...  # your code` in place of each marked part."
    lines, out, inside = source.split("\n"), [], False
    for line in lines:
        if line.strip() == BEGIN:
            inside = True
            out.append(line[:len(line) - len(line.lstrip())] + "...  # your code")
        elif line.strip() == END:
            if not inside: raise ValueError(f"a cell has {END} and no {BEGIN} before it: {lines[0]!r}")
            inside = False
        elif not inside: out.append(line)
    if inside: raise ValueError(f"a cell has {BEGIN} and no {END} after it: {lines[0]!r}")
    return "\n".join(out)

def gather_solutions(
    cells: list[str],   # the sources of a notebook's code cells, in order
) -> dict[str, str]:    # exercise -> source of its solution, without the marks
    "The solutions of a chapter: the marked cells before each `check(\"NAME\")`."
    waiting, found = [], {}
    for source in cells:
        lines = source.split("\n")
        if BEGIN in source: waiting.append("\n".join(l for l in lines if l.strip() not in (BEGIN, END)))
        if (asked := re.search(r"^check\(\"([\w.]+)\"\)", source, flags=re.M)):
            if not waiting: raise ValueError(f'check("{asked[1]}") has no solution before it')
            found[asked[1]], waiting = "\n\n".join(waiting), []
    if waiting: raise ValueError(f"a solution has no check after it: {waiting[0].split(chr(10))[0]!r}")
    return found

def _solutions() -> dict[str, str]:
    return json.loads((resources.files("ft_course")/"classroom"/"checks"/"solutions.json").read_text(encoding="utf-8"))

def exercise_names() -> list[str]:
    "Names of the course's exercises, in order."
    return list(_solutions())

def attempt(
    name: str,
    source: str,   # what a learner might write
) -> Outcome:
    "The outcome for this source, run in a namespace of its own after what the exercise `uses`."
    space = {"__name__": "attempt"}
    exec(textwrap.dedent(find_exercise(name).uses), space)
    exec(textwrap.dedent(source), space)
    return evaluate_exercise(name, space)

def accepts(name: str, source: str = None) -> bool:
    "True if this source, by default the model solution, is found right; else an `AssertionError` says why not."
    outcome = attempt(name, _solutions()[name] if source is None else source)
    assert outcome.state == "solved", f"{name}: {outcome.state}: {outcome.message}"
    return True

def rejects(name: str, source: str) -> str:
    "The sentence that the author of a wrong solution reads. Raises `AssertionError` if it is not found wrong."
    outcome = attempt(name, source)
    assert outcome.state == "wrong", f"{name}: {outcome.state} for\n{source}"
    return outcome.message

def _count(value) -> int:
    "A count from the learner's file, which anyone may have edited: 0 for what is none."
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else 0

def _keep(name: str, **values) -> str:
    "Keeps the values; the sentence about what went wrong, or an empty string."
    try: keep("exercises", name, **values)
    except CourseError as err: return str(err)
    return ""

def hint(name: str) -> Page:
    "The next of the exercise's three hints; after the third, all of them."
    hints = find_exercise(name).hints
    given = min(_count(recall("exercises", name).get("hints")) + 1, 3)
    problem = _keep(name, hints=given)
    return _page([f"Hint {i + 1} of 3: {h}" for i, h in enumerate(hints[:given])] + [problem][:bool(problem)])

def solution(name: str) -> Page:
    "The model solution, once you have tried."
    find_exercise(name)
    before, source = recall("exercises", name), _solutions().get(name)
    if not before.get("attempts"):
        return _page(["The solution is shown after your first attempt. A hint may help you to one."])
    if source is None: return _page([f"No solution of {name} is written down."])
    problem = "" if before.get("solved") else _keep(name, solution_seen=True)
    page = _page([problem][:bool(problem)])
    code = f"<pre style='white-space:pre-wrap'><code>{html.escape(source)}</code></pre>"
    return Page(source + page, code + page.markup)

def _page(lines: list[str]) -> Page:
    return Page("\n".join(lines), "".join(f"<p style='margin:.3em 0'>{marked_up(line)}</p>" for line in lines))

def marked_up(text: str) -> str:
    "HTML of a text in which `code` stands between backticks and *stress* between stars."
    pieces = re.split(r"`([^`]+)`", html.escape(text, quote=False))   # every second one is code
    stressed = [re.sub(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])", r"<em>\1</em>", piece) for piece in pieces[::2]]
    code = [f"<code>{piece}</code>" for piece in pieces[1::2]] + [""]
    return "".join(a + b for a, b in zip(stressed, code))

SIGNS = {"solved": "✓", "wrong": "✗", "not attempted": "…"}

def check(
    name: str,             # "06.warmup"
    objects: dict = None,  # where to look the objects up; the notebook's variables by default
):                         # a widget with the outcome, hints and solution; its text is the outcome
    "Checks an exercise and records the attempt in the learner's file."
    objects = vars(sys.modules["__main__"]) if objects is None else objects
    outcome = evaluate_exercise(name, objects)
    said = [f"{SIGNS[outcome.state]} {outcome.message}"]
    if outcome.state != "not attempted":
        before = recall("exercises", name)   # once solved, solved
        solved = True if outcome.state == "solved" or before.get("solved") is True else None
        said.append(_keep(name, attempts=_count(before.get("attempts")) + 1, solved=solved))
        said.append(_drawn(find_exercise(name), objects))
    return _checked(name, outcome, [line for line in said if line])

def _drawn(exercise: Exercise, objects: dict) -> str:
    "Shows the exercise's picture of the learner's objects; a sentence when there is none to be had."
    if not exercise.draw: return ""
    from IPython.display import display
    try:
        with _guarded(): picture = exercise.draw(**{n: objects[n] for n in exercise.wants})
        display(picture)
    except KeyboardInterrupt: raise
    except BaseException as err: return f"(It cannot be drawn: {_said(err)})"
    return ""

def _checked(name: str, outcome: Outcome, said: list[str]):
    import ipywidgets as widgets
    level = find_exercise(name).level
    message, more = widgets.HTML(_page(said).markup), widgets.HTML()
    ask = widgets.Button(description="Hint", tooltip=f"the next hint for {name}")
    show = widgets.Button(description="Solution", tooltip=f"the model solution of {name}, after an attempt")
    def answer(page): more.value = f"<div role='status'>{page.markup}</div>"
    ask.on_click(lambda _: answer(hint(name)))
    show.on_click(lambda _: answer(solution(name)))

    class Checked(widgets.VBox):
        def __repr__(self): return f"{name} ({level}): " + "\n".join(said)
    box = Checked([message, widgets.HBox([ask, show]), more])
    box.outcome, box.ask, box.show, box.more = outcome, ask, show, more
    return box

def quiz_names() -> list[str]:
    "Names of the course's quiz questions ('06.batch'), in order."
    folder = resources.files("ft_course")/"classroom"/"quizzes"
    files = sorted(p.name for p in folder.iterdir() if p.name.endswith(".toml")) if folder.is_dir() else []
    return [f"{file[:-5]}.{key}" for file in files for key in _questions(file[:-5])]

def _questions(chapter: str) -> dict:
    import tomllib
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
