"Draws that come out the same again, and one training at a time."
import contextlib
import os
import random
import sys
import threading
from itertools import count

from ft_course.core.paths import cache_dir

_turn = threading.RLock()   # the thread that trains, or draws from a seed: all of them share the generators
_file = []                  # the lock that this process holds while it trains


def _wait(
    free,   # (seconds) -> did it become free in that time?
    what: str,
    tell,   # as for `one_at_a_time`
):
    said = f"Another {what} is training; this waits until it has ended."
    for n in count():
        if free(.2 if n else 0): return
        if tell: tell(said)
        elif n == 2: print(said, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _one_thread(tell=None):
    _wait(lambda seconds: _turn.acquire(timeout=seconds), "run of this program", tell)
    try: yield
    finally: _turn.release()


@contextlib.contextmanager
def one_at_a_time(
    tell=None,   # called with a sentence again and again while this waits, and may raise; None prints it once
):
    """Within the block no other thread trains or draws from a seed, and no other process with the same cache folder
    trains, unless `FT_COURSE_PARALLEL` is set there. It may stand in itself."""
    with _one_thread(tell):
        if _file or os.environ.get("FT_COURSE_PARALLEL"):
            yield
            return
        from filelock import FileLock, Timeout
        lock = FileLock(cache_dir()/"training.lock")
        def free(seconds):
            try: lock.acquire(timeout=seconds)
            except Timeout: return False
            except (OSError, NotImplementedError): pass   # where no file can be locked, processes cannot wait
            return True
        try:
            with contextlib.suppress(OSError): cache_dir().mkdir(parents=True, exist_ok=True)
            _wait(free, "program on this machine", tell)
            _file.append(lock)
            yield
        finally:
            _file.clear()
            lock.release()


def random_states() -> dict:
    "The states of the generators that are loaded (Python's, NumPy's, PyTorch's), as plain types and tensors."
    states, numpy, torch = {"python": random.getstate()}, sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy:
        kind, keys, *rest = numpy.random.get_state()
        states["numpy"] = [kind, keys.tolist(), *rest]
    if torch: states |= {"torch": torch.get_rng_state(),
                         "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}
    return states


def set_random_states(states: dict):
    "Puts the generators back to what `random_states` said."
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    if "numpy" in states: sys.modules["numpy"].random.set_state(states["numpy"])
    if "torch" in states: sys.modules["torch"].set_rng_state(states["torch"])
    cuda = sys.modules["torch"].cuda if states.get("cuda") else None
    if cuda and cuda.is_available(): cuda.set_rng_state_all(states["cuda"])


@contextlib.contextmanager
def seeded(
    seed: int | None,  # any integer; the same seed gives the same draws. None: nothing will be drawn
):
    """Within the block Python, NumPy and PyTorch (where they are loaded) draw from `seed`, and no other thread trains;
    afterwards their states are as they were."""
    if seed is None:
        yield
        return
    with _one_thread():
        states = random_states()
        random.seed(seed)
        if "numpy" in states: sys.modules["numpy"].random.seed(seed % 2**32)
        if "torch" in states: sys.modules["torch"].manual_seed(seed)
        try: yield
        finally: set_random_states(states)
