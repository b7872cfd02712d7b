"""Files that are written whole or not at all, and what is said where they cannot be."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reid_srdl.errors import FileError
from reid_srdl.places import plain_target, writing
from reid_srdl.texts import json_text, plain

_TEMPORARY = re.compile(r"\..+\.\d+\.[0-9a-f]{8}\.tmp")
_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
_told: set[Path] = set()  # logs whose failure was told


@contextlib.contextmanager
def whole_file(path: Path, what: str = "this file") -> Iterator[Path]:
    """Yields a temporary name beside ``path``; what is written there becomes ``path`` at the end.

    The content is on the disk before the name changes, so a reader sees the old file or the new
    one, never a part. When the body raises, the temporary file goes and ``path`` stays as it was.
    A link stays, and the file that it leads to is replaced. A device or a pipe is written into.

    Args:
        path: the file; its folder is made.
        what: what errors call it, e.g. ``"the checkpoint"``.

    Raises:
        FileError: the operating system refuses, also inside the body.
        UserError: ``path`` is a disk.
    """
    with writing(path, what):
        target = plain_target(path)
        if target is None:
            with tempfile.TemporaryDirectory() as folder:
                temporary = Path(folder) / "content"
                yield temporary
                _pour(temporary, path)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(target)
        try:
            yield temporary
            _sync_file(temporary)
            os.replace(temporary, target)  # noqa: PTH105
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)


@contextlib.contextmanager
def whole_folder(path: Path, what: str = "this folder") -> Iterator[Path]:
    """Yields a temporary folder beside ``path``, which becomes ``path`` with all its files.

    Raises:
        FileError: the operating system refuses, or a folder that is not empty stands there.
    """
    with writing(path, what):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(path)
        try:
            temporary.mkdir()
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _sync_file(file)
            if path.is_dir():
                path.rmdir()
            os.replace(temporary, path)  # noqa: PTH105
        except FileError as error:  # of a file within, under a name that goes
            if temporary not in Path(str(error.filename)).parents:
                raise
            raise FileError(error, path, f"write {what}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _sync_folder(path.parent)


def write_text(path: Path, text: str, what: str = "this file") -> None:
    """Writes ``text`` to ``path`` whole or not at all, as UTF-8; what UTF-8 lacks is escaped.

    Raises:
        FileError: as `whole_file`.
    """
    with whole_file(path, what) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            _write(descriptor, text.encode("utf-8", "backslashreplace"))
        finally:
            os.close(descriptor)


def write_json(path: Path, value: Any, what: str = "this file") -> None:
    """Writes ``value`` to ``path`` as indented JSON, whole or not at all.

    Raises:
        FileError: as `whole_file`.
    """
    write_text(path, json_text(value) + "\n", what)


def append_line(path: Path, text: str, what: str = "the log") -> bool:
    """Appends a line, whole or not at all, to a log that work can do without.

    Where it cannot be written, that is said once on standard error, and the work goes on.

    Returns:
        Whether it was written.
    """
    return append(path, f"{text}\n".encode("utf-8", "backslashreplace"), what)


def append(path: Path, content: bytes, what: str) -> bool:
    """Appends bytes, as `append_line` does a line."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            try:
                _write(descriptor, content)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        do_without(error, path, what)
        return False
    return True


def do_without(error: OSError, path: Path, what: str) -> None:
    """Says, once for each file, that the work goes on without it."""
    if path not in _told:
        _told.add(path)
        told = FileError(error, path, f"write {what}")
        with contextlib.suppress(OSError):
            print(f"warning: {plain(told.what)}; the work goes on without it", file=sys.stderr)


def temporary_beside(path: Path) -> Path:
    """Returns a name beside ``path`` that nobody else has, on any machine that shares the disk."""
    # Names have up to 255 bytes, characters up to 4.
    return path.with_name(f".{path.name[:48]}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


def is_leftover(path: Path) -> bool:
    """Says whether a name is one that `temporary_beside` gives."""
    return _TEMPORARY.fullmatch(path.name) is not None


def remove_leftovers(folder: Path) -> None:
    """Removes what killed processes left half-written in a folder and below it.

    The caller holds the folder's lock: nobody is writing there. Only names of `temporary_beside`
    count, and links are not followed.
    """
    for place, folders, files in os.walk(folder):
        for name in files:
            if _TEMPORARY.fullmatch(name):
                with contextlib.suppress(OSError):
                    (Path(place) / name).unlink()
        for name in [name for name in folders if _TEMPORARY.fullmatch(name)]:
            folders.remove(name)
            if (Path(place) / name).is_symlink():
                (Path(place) / name).unlink(missing_ok=True)
            else:
                shutil.rmtree(Path(place) / name, ignore_errors=True)


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pour(content: Path, path: Path) -> None:
    """Writes a file's content into a device or a pipe; a pipe that nobody reads is an error."""
    waits = getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | waits)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as out, content.open("rb") as source:
        shutil.copyfileobj(source, out)


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_file(path: Path) -> None:
    """Waits until a file's content is on the disk, where the disk can tell."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    """Makes a new name last, where that can be asked: Windows and some mounts refuse."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
