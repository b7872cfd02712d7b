"""Folders of files that are made once and kept in the cache: whole, or made again.

Caches are purged file by file on many clusters, so a folder that is there may be half of one. What
was written stands in a list beside the folder, NAME.json, and is compared at each use.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock

from reid_srdl.files import write_json

_FORMAT = 1


def kept_folder(folder: Path, make: Callable[[Path], None]) -> Path:
    """Returns ``folder`` with all that ``make`` wrote there, making it where it is not whole.

    A second process waits for the first; one that is killed leaves nothing that counts.

    Args:
        folder: where it stands.
        make: fills a new folder of another name, which becomes ``folder``.

    Raises:
        OSError: the disk is full or closed.
    """
    if _is_whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if _is_whole(folder):  # another process made it while this one waited
            return folder
        for leftover in folder.parent.glob(f".{folder.name}.*.tmp"):
            shutil.rmtree(leftover, ignore_errors=True)
        temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}.tmp")
        try:
            temporary.mkdir()
            make(temporary)
            if folder.exists():
                shutil.rmtree(folder)
            write_json(_list_of(folder), {"format": _FORMAT, "files": dict(_files(temporary))})
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _list_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _is_whole(folder: Path) -> bool:
    """Says whether what was written is there, by names and sizes, and no other file but hidden."""
    try:
        known = json.loads(_list_of(folder).read_text(encoding="utf-8"))
        files: dict[str, int] = known["files"]
        found = dict(_files(folder))
        more = [
            name for name in found.keys() - files if not name.rpartition("/")[2].startswith(".")
        ]
        return bool(known["format"] == _FORMAT and files.items() <= found.items() and not more)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    """Yields each file below a folder, as seen from there, and its size in bytes."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(folder / below) as entries:
            for entry in entries:
                name = f"{below}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                else:
                    yield name, entry.stat(follow_symlinks=False).st_size
