"Bars, and a meter of seconds and memory."
import functools
import io
import sys
import threading
import time


def _bar_class():
    "tqdm's bar; in a notebook drawn as text that is replaced, so that of a finished one nothing stays."
    from tqdm import tqdm
    ipython = sys.modules.get("IPython")
    if not ipython or not hasattr(ipython.get_ipython(), "kernel"): return tqdm

    class Shown(tqdm):
        handle = None

        def display(self, msg=None, pos=None):
            from IPython.display import display
            said = {"text/plain": str(self) if msg is None else msg}
            if self.handle: self.handle.update(said, raw=True)
            elif self._time() >= self.start_t + self.delay: self.handle = display(said, raw=True, display_id=True)

        def close(self):
            super().close()
            if self.handle: self.display("")

    return functools.partial(Shown, file=io.StringIO(), ncols=100)


def progress(
    items=None,      # what to iterate over; None for a bar that is moved with `.update(n)`
    desc: str = "",  # a few words beside the bar
    total=None,      # how many items, when `len(items)` cannot say
    unit: str = "it",
):
    """`items`, with a progress bar that appears after two seconds and goes away at the end (tqdm);
    without one in a background thread, which has no place of its own to show it."""
    no_bar = {} if threading.current_thread() is threading.main_thread() else {"disable": True}   # not given: TQDM_DISABLE says
    return _bar_class()(items, desc=desc, total=total, unit=unit, delay=2, leave=False, mininterval=.5, **no_bar)


class Meter:
    "Measures a block: `seconds` (wall clock) and `peak_mb` (largest resident memory of this process in MB, sampled every 50 ms)."
    seconds = peak_mb = None

    def __enter__(self):
        import psutil
        self._process, self._done, self.peak_mb = psutil.Process(), threading.Event(), 0.
        self._sample()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        self._start = time.perf_counter()
        return self

    def _sample(self): self.peak_mb = max(self.peak_mb, self._process.memory_info().rss / 1e6)

    def _watch(self):
        while not self._done.wait(.05): self._sample()

    def __exit__(self, *exc):
        self.seconds = time.perf_counter() - self._start
        self._done.set(); self._thread.join()
        self._sample()
