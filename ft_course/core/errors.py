"The course's error, and sentences that errors share."
import errno
import os
import re


class CourseError(Exception):
    """Something around the course is not as it must be; the message says what, what was expected,
    and what to do."""


def did_you_mean(
    name: str,  # what was asked for
    known,      # what there is, an iterable of strings
) -> str:       # " (did you mean 'x'?)", or an empty string when nothing is close
    "A hint that names the closest of the known names."
    import difflib
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def look_up(
    name,            # what was asked for
    known,           # what there is: names, or name -> thing
    what: str,       # "there is no model"
    more: str = "",  # what else can be given
):                   # the thing, or the name itself
    "`known[name]`. Raises `ValueError` that says what there is, and names the closest."
    if name in known: return known[name] if hasattr(known, "keys") else name
    given = f"; give one of {', '.join(map(str, known))}{more}" if known else ""
    raise ValueError(f"{what} {name!r}{did_you_mean(name, known)}{given}")


_DISK = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up",
         errno.EFBIG: "the file would exceed this process's size limit",
         errno.EACCES: "this folder may not be written to", errno.EPERM: "this folder may not be written to",
         errno.EROFS: "the file system is read-only",
         errno.ENOTDIR: "a file stands where a folder should be",
         errno.EEXIST: "a file stands where a folder should be", errno.EIO: "the disk failed"}


def system_error(
    err: BaseException,  # what a library raised
) -> OSError | None:
    "What the system said: the error itself, the number in its text (safetensors), or what it hides (PyTorch's writer)."
    if isinstance(err, OSError) and err.errno: return err
    if number := re.search(r"os error (\d+)", str(err)): return OSError(int(number[1]), os.strerror(int(number[1])))
    behind = system_error(err.__context__) if err.__context__ else None
    return behind if behind and behind.errno in _DISK else None


def disk_error(
    err: Exception,  # what the system said, or a library's error around it
    path,          # the file or folder that was being written
) -> CourseError:
    "The `CourseError` that says in one sentence why `path` could not be written."
    said = system_error(err)
    what = _DISK.get(said.errno, said.strerror) if said else str(err)
    return CourseError(f"Could not write {path}: {what}. Nothing was left half-written; make room or choose "
                       "another place (FT_COURSE_HOME moves the course's cache), then run it again.")
