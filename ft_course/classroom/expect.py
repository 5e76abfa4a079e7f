"What checks use: ask the learner's function, compare, and say in a sentence what differs."
import copy
import reprlib
import textwrap

import numpy as np

from ft_course.classroom.running import TooLong


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
    if isinstance(wanted, list) and wanted and hasattr(wanted[0], "detach"):   # of several shapes, perhaps
        return (isinstance(got, (list, tuple)) and len(got) == len(wanted)
                and all(_same(g, w, tolerance) for g, w in zip(got, wanted)))
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


def in_words(err: BaseException) -> str:
    "An error's type and message, short."
    try: message = str(err)
    except Exception: message = "its message cannot be read"   # an error class of the learner's own
    return type(err).__name__ + (f": {textwrap.shorten(message, 300)}" if message else "")


def tried(what: str, function, *args):
    "What the learner's function returns. Raises `Wrong`, \"`what` raised ...\", when it raises, `NotAttempted` for an empty one."
    try: return function(*args)
    except (KeyboardInterrupt, TooLong): raise
    except NotImplementedError as err: raise NotAttempted() from err
    except BaseException as err: raise Wrong(f"{what} raised {in_words(err)}") from err


def call(function, *args):
    """What the learner's function returns for copies of these inputs.
    Raises `Wrong` when it raises, `NotAttempted` for an empty one."""
    result = tried(called(function, *args), function, *copy.deepcopy(args))
    if result is None or result is ...: raise NotAttempted()
    return result


def called(function, *args) -> str:
    "The call as a message shows it, larger arrays by their shape."
    def said(value):
        shape = getattr(value, "shape", ())
        return f"an array of shape {tuple(shape)}" if np.prod(shape) > 12 else shown(value)
    return f"{getattr(function, '__name__', 'your function')}({', '.join(map(said, args))})"


def mistaken(
    got,
    wanted,
    likely: dict,   # sentence -> the value that this mistake gives
) -> str:
    "The sentence of the mistake whose value this is; empty where it is right, and where it is none of them."
    return next((why for why, value in ({"": wanted} | likely).items() if _same(got, value, 1e-5)), "")


def expect_cases(
    function,
    right,      # a function that gives what is wanted
    cases,      # tuples of a case's inputs, with a reason at the end
    likely=lambda *given: {},   # sentence -> the value that a well-known mistake gives for these inputs
    tolerance: float = 1e-5,
):
    "`expect`, for every case, of what the function returns that it is what `right` returns."
    for *given, why in cases:
        got, wanted = call(function, *given), right(*given)
        expect(got, wanted, called(function, *given), mistaken(got, wanted, likely(*given)) or why, tolerance)
