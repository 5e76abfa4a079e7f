"Where things are kept."
import functools
import os
import tempfile
from pathlib import Path


def cache_dir() -> Path:
    """The course's cache folder: `FT_COURSE_HOME`, or the system's cache folder for this user.
    It may not exist yet."""
    if os.environ.get("FT_COURSE_HOME"): return Path(os.environ["FT_COURSE_HOME"]).expanduser()
    from platformdirs import user_cache_path
    return user_cache_path("ft_course", appauthor=False)


@functools.cache
def scratch() -> tempfile.TemporaryDirectory:
    "A folder that goes away with the process."
    return tempfile.TemporaryDirectory(prefix="ft_course-", ignore_cleanup_errors=True)
