"""A store of finished phases that runs share, by key: hard links, a lock per key. No torch.

    STORE/KEY/phase.json       which phase, the run that trained it, and what its key stands for
    STORE/KEY/NAME-...         its files, of the same names as in a run's folder: further links
    STORE/KEY.lock, .holder    who trains it now

An entry appears whole, by one rename. A run's own links keep its folder whole without the store;
the store's links keep a phase after its run is gone. A file's number of links tells whether any run
still has it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from reid_srdl.errors import FileError
from reid_srdl.files import whole_file, whole_folder, write_json, write_text
from reid_srdl.places import check_output, writing

FOLDER = ".phases"  # below the folder of all runs; hidden, so that nothing takes it for a run
LISTING = "phase.json"
_WHAT = "the store of shared phases"
_POLL = 0.5  # seconds between two tries of a lock that another process holds


@dataclass(frozen=True)
class PhaseStore:
    """The store in a folder, which need not be there yet.

    Attributes:
        folder: its place, e.g. ``runs/.phases``.
    """

    folder: Path

    def check(self) -> None:
        """Checks that it can be written to.

        Raises:
            FileError: it cannot.
        """
        check_output(self.folder / LISTING, _WHAT)

    def entry(self, key: str) -> Path:
        """Returns the folder of a phase; it is there where the phase is."""
        return self.folder / key

    def origin(self, key: str) -> str | None:
        """Returns the run that trained a phase; None where no such phase is there."""
        told = self.listing(key)
        return None if told is None else str(told.get("run"))

    def listing(self, key: str) -> dict[str, Any] | None:
        """Returns what `put` was told of a phase; None where that is gone or damaged."""
        try:
            told = dict(json.loads((self.entry(key) / LISTING).read_text(encoding="utf-8")))
            return told if told.pop("digest") == _digest(told) else None
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None

    @contextlib.contextmanager
    def held(self, key: str, who: str, waits: Callable[[str], None]) -> Iterator[None]:
        """Keeps others from training a phase meanwhile; waits for one that trains it already.

        The lock dies with its process.

        Args:
            key: the phase's.
            who: the run, for others that wait.
            waits: told once, if it waits, for whom.

        Raises:
            FileError: the store cannot be written to.
        """
        lock, holder = filelock.FileLock(self._beside(key, "lock")), self._beside(key, "holder")
        with writing(self.folder, _WHAT):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=_POLL)  # a short wait is worth no line
            except filelock.Timeout:
                waits(_read(holder) or "another process")
                lock.acquire(poll_interval=_POLL)
        try:
            write_text(holder, who, _WHAT)
            for leftover in self.folder.glob(f".{key}.*.tmp"):
                shutil.rmtree(leftover, ignore_errors=True)
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def put(self, key: str, files: Iterable[Path], listing: Mapping[str, Any]) -> None:
        """Makes an entry of a finished phase's files; one that is there already stays.

        Raises:
            FileError: the store cannot be written to.
        """
        entry = self.entry(key)
        if entry.exists():
            return
        try:
            with whole_folder(entry, _WHAT) as folder:
                for file in files:
                    _linked(file, folder / file.name)
                write_json(folder / LISTING, {**listing, "digest": _digest(listing)}, _WHAT)
        except FileError:
            if not entry.exists():  # else another process was faster
                raise

    def remove(self, key: str) -> None:
        """Removes an entry; the runs that have the phase keep it."""
        with writing(self.entry(key), _WHAT):
            shutil.rmtree(self.entry(key))

    def unneeded(self, going: Sequence[Path] = ()) -> Iterator[tuple[str, list[Path]]]:
        """Yields key and files of each entry that no run has whole; held ones are left out.

        Args:
            going: files of runs that count as gone.
        """
        gone = Counter(_inode(path) for path in going)
        for folder in sorted(self.folder.glob("[!.]*/")):
            files = [path for path in sorted(folder.iterdir()) if path.name != LISTING]
            links = [path.stat().st_nlink - gone[_inode(path)] for path in files]
            if min(links, default=1) <= 1 and not self.is_held(folder.name):
                yield folder.name, files

    def free(self, key: str) -> None:
        """Removes an entry that no run has, with what stands beside it, unless it is held.

        Raises:
            FileError: the store cannot be written to.
        """
        with (
            contextlib.suppress(filelock.Timeout),
            filelock.FileLock(self._beside(key, "lock"), timeout=0),
        ):
            self.remove(key)
            self._beside(key, "lock").unlink(missing_ok=True)

    def is_held(self, key: str) -> bool:
        """Says whether a process trains a phase now."""
        lock = self._beside(key, "lock")
        if not lock.exists():
            return False
        try:
            with filelock.FileLock(lock, timeout=0):
                return False
        except filelock.Timeout:
            return True

    def _beside(self, key: str, kind: str) -> Path:
        return self.folder / f"{key}.{kind}"


def link(source: Path, target: Path) -> None:
    """Gives a file another name, which appears at once; a copy where the disk has no links.

    Raises:
        FileError: the operating system refuses that, too.
    """
    with whole_file(target, "the shared phase") as temporary:
        _linked(source, temporary)


def bytes_freed(paths: Iterable[Path]) -> dict[Path, int]:
    """Returns the bytes that go with each of some files: 0 while a link to it is left."""
    paths = list(paths)
    left = Counter({_inode(path): path.stat().st_nlink for path in paths})
    sizes = {}
    for path in paths:
        left[_inode(path)] -= 1
        sizes[path] = 0 if left[_inode(path)] else path.stat().st_size
    return sizes


def _digest(listing: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(listing, sort_keys=True).encode(), digest_size=16).hexdigest()


def _linked(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
