"""Digests of files' bytes, kept in the cache by path, size, times and inode."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from reid_srdl.data.places import default_cache_dir
from reid_srdl.errors import UserError
from reid_srdl.files import whole_file
from reid_srdl.machine import available_cores

_Row = tuple[str, list[int]]  # digest, and the signature that it was taken under

DIGESTS = "digests"  # a folder of the cache
_FORMAT = 1
_BATCH = 1024  # files in flight
_PIECE = 2**22  # bytes read at a time
# A file changed so lately may change again within one tick of its clock, its times the same.
_SETTLED_NS = 2 * 10**9


@dataclass(frozen=True)
class Signature:
    """What tells a file from the same file after a change, without reading it.

    The time of the last change of the inode can't be set, so it tells what others hide.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @property
    def numbers(self) -> list[int]:
        """The four, for a key or a cache."""
        return [self.size, self.mtime_ns, self.ctime_ns, self.inode]


def signature(path: Path | str) -> Signature:
    """Returns a file's signature.

    Raises:
        UserError: the file is not there, or can't be looked at.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - also called for millions of plain strings
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}", "restore the file, and do not move a data set in use"
        ) from None
    return Signature(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def file_digests(
    place: Path,
    files: Mapping[str, Signature],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, str]:
    """Returns the blake2b digest of each file's bytes, 32 hexadecimal digits.

    Args:
        place: what the digests are kept under, such as the data set's folder; it is not read.
        files: paths, as text since there may be very many, with their signatures as of now.
        progress: called with (files done, files in all), where some must be read.

    Raises:
        UserError: a file can't be read.
    """
    cache = _Cache(place)
    found = {path: cache.get(path, own) for path, own in files.items()}
    missing = [path for path, digest in found.items() if digest is None]
    with ThreadPoolExecutor(available_cores()) as pool:
        for start in range(0, len(missing), _BATCH):
            paths = missing[start : start + _BATCH]
            for path, digest in zip(paths, pool.map(_digest, paths), strict=True):
                found[path] = digest
                cache.put(path, files[path], digest)
            if progress is not None:
                progress(start + len(paths), len(missing))
    cache.write()
    return {path: digest for path, digest in found.items() if digest is not None}


def file_digest(path: Path) -> str:
    """Returns the digest of one file's bytes, as `file_digests`.

    Raises:
        UserError: the file is not there or can't be read.
    """
    name = str(path)
    return file_digests(path.parent, {name: signature(name)})[name]


def _digest(path: str) -> str:
    """Hashes one file; hashlib works without the interpreter's lock."""
    content = hashlib.blake2b(digest_size=16)
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            while piece := file.read(_PIECE):
                content.update(piece)
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror or error}", "make the file readable, or restore it"
        ) from None
    return content.hexdigest()


class _Cache:
    """The known digests of one place: a line with the hash of what follows, then JSON."""

    def __init__(self, place: Path) -> None:
        name = hashlib.blake2b(os.fsencode(place.absolute()), digest_size=10).hexdigest()
        self._path = default_cache_dir() / DIGESTS / f"{name}.json"
        self._known = self._read()
        self._now = time.time_ns()
        self._changed = False

    def get(self, path: str, own: Signature) -> str | None:
        digest, numbers = self._known.get(_absolute(path), ("", []))
        return digest if numbers == own.numbers else None

    def put(self, path: str, own: Signature, digest: str) -> None:
        if max(own.mtime_ns, own.ctime_ns) < self._now - _SETTLED_NS:
            self._known[_absolute(path)] = (digest, own.numbers)
            self._changed = True

    def write(self) -> None:
        """Keeps what is known of files that are still there; a full or closed disk is no matter."""
        if not self._changed:
            return
        kept = {path: row for path, row in self._known.items() if os.path.exists(path)}  # noqa: PTH110
        content = json.dumps([_FORMAT, kept]).encode()
        try:
            with whole_file(self._path) as temporary:
                temporary.write_bytes(_sum(content) + b"\n" + content)
        except OSError:
            return  # they are made again the next time

    def _read(self) -> dict[str, _Row]:
        try:
            said, _, content = self._path.read_bytes().partition(b"\n")
        except OSError:
            return {}
        if said != _sum(content):
            return {}  # damaged by someone
        form, known = json.loads(content)
        if form != _FORMAT:
            return {}
        return {path: (digest, numbers) for path, (digest, numbers) in known.items()}


def _absolute(path: str) -> str:
    return path if path.startswith("/") else os.path.abspath(path)  # noqa: PTH100


def _sum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()
