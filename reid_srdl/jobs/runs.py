"""What there is in folders of runs: their states, and what may go."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import filelock

from reid_srdl.data.places import default_cache_dir
from reid_srdl.errors import UserError
from reid_srdl.jobs.soundness import FIT_FILE
from reid_srdl.methods import KNOWN
from reid_srdl.places import removing
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.phase_store import FOLDER, PhaseStore, bytes_freed
from reid_srdl.records.store import read_any_record, run_folders

Progress = Callable[[str, int, int], None]
State = Literal["running", "finished", "stopped", "damaged", "not a run"]
# What caches are called; nothing else below the cache's folder is ours to remove.
_CACHES = ("decoded", "digests", "readable", "cuhk03", "archives")


@dataclass(frozen=True)
class Listed:
    """A folder: its size in bytes, and its state."""

    path: Path
    size: int
    state: State


@dataclass(frozen=True)
class Freed:
    """A file or folder that goes, and its size in bytes."""

    path: Path
    size: int


def list_runs(top: Path, steps: Progress | None = None) -> list[Listed]:
    """Returns each run at or below a folder, and what else stands directly in it.

    Args:
        top: the folder.
        steps: is told how many runs have been looked at.

    Raises:
        UserError: there is no such folder.
    """
    if not top.is_dir():
        raise UserError(f"{top}: no such folder", "name the folder of your runs", usage=True)
    runs = list(run_folders(top))
    of_runs = {place for run in runs for place in (run, *run.parents)}
    others = [
        path
        for path in sorted(top.iterdir())
        if path.is_dir() and not path.name.startswith(".") and path not in of_runs
    ]
    others = [] if top in runs else others
    found = []
    for number, path in enumerate(runs, 1):
        found.append(Listed(path, _size(path), state_of(path)))
        if steps is not None:
            steps("looking at runs", number, len(runs))
    return [*found, *(Listed(path, _size(path), "not a run") for path in others)]


def state_of(path: Path) -> State:
    """Returns a run's state; damaged is what its configuration or record says of itself."""
    folder = RunFolder(path)
    if not folder.config.exists() and not folder.record.exists():
        return "not a run"
    if _is_locked(path):
        return "running"
    try:
        if folder.config.exists():
            folder.read_config(KNOWN)
        if folder.record.exists():
            read_any_record(path)
            return "finished"
    except UserError:
        return "damaged"
    return "stopped"


def prune(path: Path, *, dry_run: bool = False) -> list[Freed]:
    """Frees what a finished run no longer needs, or shared phases that no run has, and returns it.

    The last checkpoint of each ``fit`` phase stays: ensembles, analyses and ``--from`` read it.
    Earlier checkpoints and knowledge go, which the phases can extract again, and the galleries of
    searches. Shared phases go once
    no run below the folder of all runs has them any more; one that is being trained stays.

    Args:
        path: a run's folder, or the folder of all runs.
        dry_run: nothing is removed.

    Raises:
        UserError: this is no finished run, or another process is writing to it.
    """
    if state_of(path) == "not a run" and (path / FOLDER).is_dir():
        return _freed(PhaseStore(path / FOLDER), [], dry_run)
    _check_is_run(path)
    if state_of(path) != "finished":
        raise UserError(
            f"{path}: the run is {state_of(path)}, it needs all that it has",
            f"finish it first: reid-srdl train --resume {path}",
        )
    store = _store_of(path)
    if dry_run:
        return _freed(store, list(_unneeded(path)), dry_run)
    with RunFolder(path).locked():
        return _freed(store, list(_unneeded(path)), dry_run)


def _freed(store: PhaseStore | None, files: list[Path], dry_run: bool) -> list[Freed]:
    """Removes files of a run, and entries of its store that no run has then; returns all of it."""
    entries = list(store.unneeded(files)) if store is not None else []
    stored = [path for _, paths in entries for path in paths]
    freed = [Freed(path, size) for path, size in bytes_freed([*files, *stored]).items()]
    if dry_run:
        return freed
    for path in files:
        with removing(path):
            path.unlink()
    for key, _ in entries:
        assert store is not None
        store.free(key)
    return freed


def _store_of(path: Path) -> PhaseStore | None:
    """Returns the store that a run shares its phases in; None: there is none."""
    if not RunFolder(path).config.exists():
        return None
    shared = RunFolder(path).read_config(KNOWN).run.shared
    return None if shared is None or not shared.is_dir() else PhaseStore(shared)


def caches() -> list[Freed]:
    """Returns each cache and its size."""
    folder = default_cache_dir()
    found = [folder / name for name in _CACHES if (folder / name).is_dir()]
    return [Freed(path, _size(path)) for path in found]


def clear_caches() -> list[Freed]:
    """Removes all caches, which are made again when they are needed, and returns them."""
    found = caches()
    for one in found:
        if not one.path.is_symlink():
            with removing(one.path):
                shutil.rmtree(one.path)
    return found


def _unneeded(path: Path) -> Iterator[Path]:
    yield from sorted((path / "search").glob("*.npz"))
    last: dict[str, Path] = {}
    for file in sorted(RunFolder(path).phases.glob("*")):
        fit = FIT_FILE.fullmatch(file.name)
        if fit is None:
            if file.suffix == ".npy" or file.name.startswith("start-"):
                yield file
            continue
        if before := last.get(fit["stem"]):
            yield before
        last[fit["stem"]] = file


def _check_is_run(path: Path) -> None:
    if state_of(path) == "not a run":
        hint = f"name the folder of a run; see reid-srdl runs list {path if path.is_dir() else ''}"
        raise UserError(f"{path}: not a run", hint.rstrip())


def _is_locked(path: Path) -> bool:
    lock = path / ".lock"
    if not lock.exists():
        return False
    try:
        with filelock.FileLock(lock, timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError:  # a place that can only be read: nobody is writing there
        return False


def _size(path: Path) -> int:
    """Returns the bytes of all files in a folder; links count as links."""
    total = 0
    for place, _, files in os.walk(path):
        for name in files:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:  # gone meanwhile
                continue
    return total
