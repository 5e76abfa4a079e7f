"The learner's code on a leash: it has to end, and little is shown of what it prints."
import contextlib
import signal
import sys
import threading

SECONDS, CHARACTERS = 30, 2000   # that a check may take, and print


class TooLong(BaseException):
    "A check's time is over. (No `Exception`: a learner's `except Exception` in a loop should not catch it.)"


class FirstCharacters:
    "A text stream that passes on the first characters and then says once that more was printed."
    def __init__(self, to, most: int): self.to, self.left = to, most

    def write(self, text):
        if self.left > 0: self.to.write(text[:self.left])
        if 0 < self.left < len(text): self.to.write("\n… more was printed; a check shows the beginning.\n")
        self.left -= len(text)
        return len(text)

    def __getattr__(self, name): return getattr(self.to, name)


@contextlib.contextmanager
def time_limit(seconds: float):
    "Raises `TooLong` in the block when the time is over, and again every second until it is left."
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    def over(*_): raise TooLong(f"Your code had not ended after {seconds:g} seconds; is there a loop that never ends?")
    before = signal.signal(signal.SIGALRM, over)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 1)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)


@contextlib.contextmanager
def guarded():
    "For code of the learner's: it has `SECONDS`, and its first `CHARACTERS` are shown."
    with contextlib.redirect_stdout(FirstCharacters(sys.stdout, CHARACTERS)), time_limit(SECONDS): yield
