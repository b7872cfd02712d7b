"""Errors that a user can mend: what is wrong, and what to do."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """Bad input, told in two lines.

    Args:
        what: one line that names the file, key or value and says what is wrong with it.
        hint: one line that says what to do.
        usage: True for a wrong call (exit status 2), False for a failure (exit status 1).
    """

    def __init__(self, what: str, hint: str, *, usage: bool = False) -> None:
        super().__init__(f"{what}\n{hint}")
        self.what = what
        self.hint = hint
        self.exit_status = 2 if usage else 1


class FileError(UserError, OSError):
    """What the operating system has against a file, told in two lines.

    It is an ``OSError``, too, with ``errno``, ``strerror`` and ``filename``.

    Args:
        error: what the operating system said.
        path: the file that was meant, not a temporary one beside it.
        doing: what was being done, e.g. ``"write the checkpoint"``.
        elsewhere: how another place is named, e.g. ``"--runs DIR names another place"``.
    """

    def __init__(self, error: OSError, path: Path, doing: str, elsewhere: str = "") -> None:
        reason = (error.strerror or str(error).strip() or type(error).__name__).splitlines()[0]
        name = errno.errorcode.get(error.errno or 0, "")
        hint = _HINTS.get(name, _HINT)
        if name == "ENOENT" and doing.startswith("read "):
            hint = "see how its name is spelt, and in which folder the command is given"
        if error.errno in (errno.ENOTDIR, errno.EEXIST) and (file := _file_in_the_way(path)):
            reason = f"{file} is a file, not a folder"
        hint = f"{hint}; {elsewhere}" if elsewhere else hint
        super().__init__(f"{path}: can't {doing} ({reason})", hint)
        self.errno, self.strerror, self.filename = error.errno, reason, str(path)

    def __str__(self) -> str:
        return f"{self.what}\n{self.hint}"


def fail(error: FileError) -> None:
    """Ends the work that could not write a file; in place of who goes on without it."""
    raise error


_HINT = "see whether the disk is there, has room, and lets you write to this place"
_HINTS = {
    "ENOSPC": "make room on that disk (df -h, df -i), or name a place on another one",
    "EDQUOT": "your quota of that disk is used up: remove files, or name another place",
    "EFBIG": "that disk takes no file of this size: name a place on another one",
    "EACCES": "change the permissions of the file and its folder, or name another place",
    "EPERM": "change the permissions of the file and its folder, or name another place",
    "EROFS": "that place can only be read: name another place for what is written",
    "ENOTDIR": "name a place whose folders are folders",
    "EEXIST": "remove what stands there, or choose another name",
    "ENOTEMPTY": "remove what stands there, or choose another name",
    "EISDIR": "it is a folder: name a file",
    "ENAMETOOLONG": "choose a shorter name",
    "ELOOP": "its links lead in a circle: remove them, or name another place",
    "EMFILE": "too many files are open: raise the limit (ulimit -n), or use fewer workers",
    "ENFILE": "too many files are open on this machine: close other programs",
    "EIO": "the disk reports a fault: check it (dmesg), or name a place on another one",
    "ESTALE": "the network disk has lost this file: mount it again, and give the command again",
    "ENOENT": "name a place that exists and where files can be made",
    "ENXIO": "start what reads from this pipe first, or name a file",
    "EPIPE": "keep what reads from this pipe running, or name a file",
    "ENOMEM": "close other programs, or take a machine with more memory",
    "ETXTBSY": "another program uses this file: end it, or choose another name",
    "EBUSY": "another program uses this file: end it, or choose another name",
}


def _file_in_the_way(path: Path) -> Path | None:
    """Returns the file that stands where a folder of ``path`` would be."""
    return next((above for above in path.parents if os.path.isfile(above)), None)  # noqa: PTH113


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ``"did you mean 'x'?"`` for the nearest known word, else the list of them all.

    >>> did_you_mean("temprature", ["temperature", "restart"])
    "did you mean 'temperature'?"
    """
    candidates = sorted(known)
    near = nearest(word, candidates)
    return f"did you mean {near!r}?" if near else f"choose from: {', '.join(candidates)}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word that is most like ``word``; None where none is like it."""
    return next(iter(difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)), None)


class Terminated(KeyboardInterrupt):
    """SIGTERM asked for a stop, and what was done is on the disk; the exit status is 143."""
