"Files that are whole or absent, and writers that take turns."
import contextlib
import json
import os
import secrets
import shutil
import time
from pathlib import Path

from ft_course.core.errors import CourseError, disk_error, system_error


@contextlib.contextmanager
def atomic_path(
    path,  # where the finished file or folder will stand
):         # yields a temporary path in the same folder, to be created as a file or a folder by the caller
    """Write to a temporary name and rename at the end: `path` is whole or absent, also after a crash.
    Raises `CourseError` when it cannot be written."""
    path = Path(path).expanduser().resolve()
    tmp = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield tmp
        if path.is_dir():
            old = tmp.with_suffix(".old.tmp")
            try:
                os.replace(path, old)
                os.replace(tmp, path)
            except BaseException:   # between the two there would be neither the old nor the new
                if old.exists() and not path.exists(): os.replace(old, path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else: os.replace(tmp, path)
    except Exception as err:
        if not system_error(err): raise
        raise disk_error(err, path) from err
    finally:
        with contextlib.suppress(OSError):
            if tmp.is_dir(): shutil.rmtree(tmp, ignore_errors=True)
            else: tmp.unlink(missing_ok=True)


def write_json(value, path, **how):   # as of `json.dumps`
    "Writes the value as JSON, whole or not at all. Raises `CourseError` when it cannot be written."
    with atomic_path(path) as tmp: tmp.write_text(json.dumps(value, **how), encoding="utf-8")


@contextlib.contextmanager
def locked(
    lock,              # a file, made where there is none
    wait: float = 10,  # seconds to wait for another one
):
    """Only one process at a time goes through here. Raises `CourseError` when another one does not end,
    or when the lock cannot be made."""
    from filelock import FileLock, Timeout
    try:
        Path(lock).parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=wait): yield
    except Timeout as err:
        raise CourseError(f"Another program has been writing to {Path(lock).parent} for {wait} seconds; wait for it, or end it "
                          "(restart the other notebook's kernel, say), and try again.") from err
    except OSError as err: raise disk_error(err, Path(lock).parent) from err


@contextlib.contextmanager
def one_writer(
    folder,            # is made where there is none
    wait: float = 20,  # seconds to wait for another writer
):
    """One writer at a time, of all processes; what it wrote in the folder is on the disk at the end, and not only
    on its way there. Raises `CourseError` when another one does not end, or when it cannot be written."""
    folder = Path(folder)
    with locked(folder/".lock", wait):
        began = time.time() - .05   # file times are coarser than clocks
        try: yield
        except RuntimeError as err: raise disk_error(err, folder) from err
        for path in (folder, *folder.rglob("*")):
            if path.stat().st_mtime >= began: _sync(path)


def _sync(path: Path):
    try: handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    except OSError: return   # not every system lets a folder be opened
    try: os.fsync(handle)
    finally: os.close(handle)
