"Freed memory that goes back to the system, so that a long training takes no more of it than a short one."
import ctypes

M_MMAP_THRESHOLD, LARGE = -3, 2_000_000   # malloc.h; bytes
KEPT = 64_000_000   # bytes that stay at hand for the next step: to give them back and take them again would cost time


def free_memory() -> bool:
    """Gives back what is free but for 64 MB, and from now on a block of 2 MB or more as soon as it is freed.
    `False` where the C library cannot (it is not glibc)."""
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)
        libc.malloc_trim(KEPT)
    except (AttributeError, OSError, TypeError): return False
    return True
