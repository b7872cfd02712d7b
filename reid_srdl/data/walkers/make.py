"""The embedded data set: people drawn procedurally, in Market-1501's layout.

It exists to show that everything works, on any machine and in minutes; its numbers say nothing
about real streets. One seed gives the same files, byte for byte, with the same Pillow.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock

from reid_srdl.data.images import Progress
from reid_srdl.data.locate import VARIABLE
from reid_srdl.data.reid import market
from reid_srdl.data.walkers.plan import Options, Shot, plan
from reid_srdl.data.walkers.shot import render
from reid_srdl.errors import FileError, UserError
from reid_srdl.machine import available_cores
from reid_srdl.places import expanded

NAME = "walkers"
MANIFEST = "manifest.json"
VERSION = 1  # a change of what is drawn makes older sets different ones

_BATCH = 64


def make_walkers(
    data_dir: Path,
    *,
    seed: int = 0,
    options: Options | None = None,
    progress: Progress | None = None,
) -> tuple[Path, bool]:
    """Draws the data set into the folder ``walkers`` below ``data_dir``, whole or not at all.

    Args:
        data_dir: parent of the new folder.
        seed: of everything that is drawn.
        options: sizes; None: the defaults.
        progress: called with (images drawn, images in all).

    Returns:
        The data set's folder, and whether it was made now (False: it was there already).

    Raises:
        UserError: a size is out of range, something else stands in the folder, or it can't be
            written.
    """
    options = options or Options()
    options.validate()
    data_dir = expanded(data_dir)
    folder = data_dir / NAME
    manifest = {"name": NAME, "version": VERSION, "seed": seed, "options": asdict(options)}
    try:
        if _is_there(folder, manifest):
            return folder, False
        data_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(data_dir / f".{NAME}.lock"):
            if _is_there(folder, manifest):  # by another process, while this one waited
                return folder, False
            for leftover in data_dir.glob(f".{NAME}.*.tmp"):  # of killed processes: we lock
                shutil.rmtree(leftover, ignore_errors=True)
            _make(folder, seed, options, manifest, progress)
    except OSError as error:
        raise FileError(
            error, folder, "write the data set", "--data-dir names another place"
        ) from None
    return folder, True


def default_parent() -> Path:
    """Returns where the set goes, and is looked for, unless told: REID_SRDL_DATA, else ./data."""
    return expanded(os.environ.get(VARIABLE) or "data")


def _is_there(folder: Path, manifest: dict[str, object]) -> bool:
    """Tells whether the very same set stands in ``folder``; anything else there is an error."""
    if not folder.exists():
        return False
    try:
        known = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = None
    if known == manifest:
        return True
    what = "other walkers (other seed, sizes or version)" if known else "something else"
    raise UserError(
        f"{folder}: {what} there already", "delete that folder, or give another --data-dir"
    )


def _make(
    folder: Path,
    seed: int,
    options: Options,
    manifest: dict[str, object],
    progress: Progress | None,
) -> None:
    temporary = folder.with_name(f".{NAME}.{os.getpid()}.tmp")
    try:
        for split in market.SPLITS:
            (temporary / split).mkdir(parents=True)

        def write(shot: Shot) -> None:
            (temporary / shot.file).write_bytes(render(seed, shot))

        shots = plan(seed, options)
        with ThreadPoolExecutor(available_cores()) as pool:
            for start in range(0, len(shots), _BATCH):
                batch = shots[start : start + _BATCH]
                list(pool.map(write, batch))
                if progress is not None:
                    progress(start + len(batch), len(shots))
        text = json.dumps(manifest, indent=2) + "\n"
        (temporary / MANIFEST).write_text(text, encoding="utf-8")
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
