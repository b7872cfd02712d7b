"""What a name leads to, and what the operating system has against reading or writing there."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import overload

from reid_srdl.errors import FileError, UserError

StrPath = str | os.PathLike[str]


@overload
def as_path(path: StrPath) -> Path: ...
@overload
def as_path(path: None) -> None: ...
@overload
def as_path(path: StrPath | None) -> Path | None: ...
def as_path(path: StrPath | None) -> Path | None:
    """Returns a path that may have been given as a string.

    >>> as_path("runs/srdl").name
    'srdl'
    """
    return None if path is None else Path(path)


def expanded(path: Path | str) -> Path:
    """Returns a path with ``~`` and ``~name`` replaced, where there is such a home.

    >>> expanded("data/x").as_posix()
    'data/x'
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises for no home


def as_a_shell_would(word: str) -> str:
    """Returns a command's word with a leading ``~`` replaced, also behind ``--option=``.

    Shells leave it there, and in quotes.

    >>> as_a_shell_would("--output=a~b")
    '--output=a~b'
    """
    name, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    if value == "~" or value.startswith("~/"):
        return f"{name}{equals}{expanded(value)}"
    return word


@contextlib.contextmanager
def writing(path: Path, what: str = "this file") -> Iterator[None]:
    """Tells any error of the operating system as one about ``path``.

    Raises:
        FileError: so.
    """
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise FileError(error, path, f"write {what}") from error


@contextlib.contextmanager
def reading(path: Path, what: str = "this file") -> Iterator[None]:
    """Tells any error of the operating system as one about ``path``.

    Raises:
        FileError: so.
    """
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise FileError(error, path, f"read {what}") from error


@contextlib.contextmanager
def removing(path: Path) -> Iterator[None]:
    """Tells any error of the operating system as one about ``path``.

    Raises:
        FileError: so.
    """
    try:
        yield
    except OSError as error:
        raise FileError(error, path, "remove it") from error


def check_output(path: Path, what: str = "this file") -> None:
    """Checks, before the work that leads to it, that a file could be written.

    Raises:
        FileError: it is a folder, lies below a file, has an impossible name, or is forbidden.
        UserError: it is a disk.
    """
    with writing(path, what):
        target = plain_target(path)
        place = path if target is None else target.parent
        while not place.exists():
            place = place.parent
        if target is not None and not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(place, os.W_OK):
            read_only = hasattr(os, "statvfs") and os.statvfs(place).f_flag & os.ST_RDONLY
            number = errno.EROFS if read_only else errno.EACCES
            raise OSError(number, os.strerror(number))


def check_input(path: Path, what: str = "this file") -> None:
    """Checks that a name leads to a plain file, before anything waits for a pipe's other end.

    Raises:
        FileError: it is not there, or a folder.
        UserError: it is a device or a pipe.
    """
    with reading(path, what):
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(kind):
            raise UserError(f"{path}: a device or a pipe, not a file", "name a file")


def check_no_pipe(path: Path) -> None:
    """Refuses a device or a pipe, whose end a reader might wait for in vain; all else passes.

    Raises:
        UserError: so.
    """
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):  # who opens it will tell
        return
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise UserError(f"{path}: a device or a pipe, not a file", "name a file")


def read_text(path: Path, what: str = "this file") -> str:
    """Reads a text file in UTF-8.

    Raises:
        FileError: the operating system refuses.
        UserError: it is a device or a pipe, which may never end, or not in UTF-8.
    """
    if not _is_own_pipe(path):
        check_input(path, what)
    with reading(path, what):
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise UserError(
                f"{path}: not a text file in UTF-8", "name a text file, or save it as UTF-8"
            ) from None


def plain_target(path: Path) -> Path | None:
    """Returns the plain file that a name leads to, there or not; None for a device or a pipe.

    Raises:
        OSError: it is a folder, or cannot be looked at.
        UserError: it is a disk.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return Path(os.path.realpath(path))
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISBLK(status.st_mode):
        raise UserError(f"{path}: a disk, which would be overwritten", "name a file")
    if not stat.S_ISREG(status.st_mode) or _is_own_stream(status):
        return None
    return Path(os.path.realpath(path))


def _is_own_stream(status: os.stat_result) -> bool:
    """Says whether a file is what this process's output goes to, as /dev/stdout may be."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(status, os.fstat(descriptor)):
                return True
    return False


def _is_own_pipe(path: Path) -> bool:
    """Says whether a shell made this pipe for us, as in ``--config <(command)``."""
    return path.parts[:2] == ("/", "dev") and path.parts[2] in ("fd", "stdin")
