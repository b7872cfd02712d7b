"""Whether the images that scores will be made on can be read: asked before anything is trained."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from reid_srdl.data.cache import decoded
from reid_srdl.data.classes.samples import ClassData
from reid_srdl.data.file_digests import signature
from reid_srdl.data.images import Steps, UnreadableError, map_files, read_crop
from reid_srdl.data.notes import first_ten, printable, say_files
from reid_srdl.data.places import default_cache_dir
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.errors import UserError
from reid_srdl.files import write_text

_FORMAT = 1


def check_readable(
    data: ReidData | ClassData, size: tuple[int, int], steps: Steps | None = None
) -> None:
    """Reads every test image once, so that a damaged one is told before the first epoch.

    Re-id crops are decoded into the cache that evaluation maps later, so nothing is done twice.
    A streamed test set is decoded and forgotten; that all of it was readable is remembered, until a
    file changes. What classification sets keep decoded was read when they were loaded.

    Args:
        data: as loaded.
        size: (height, width) of the network's input, in pixels.
        steps: called with (what, images done, images in all).

    Raises:
        UserError: images can't be read; the first ten of a split are named.
    """
    if isinstance(data, ClassData):
        if not isinstance(data.test.pixels, np.ndarray):
            _check_stream([str(path) for path in data.test.files], size, steps)
        return
    splits = {"query": data.query, "gallery": data.gallery}
    if data.boxes is not None:
        splits["boxes"] = data.boxes
    for split, crops in splits.items():

        def tell(done: int, total: int, what: str = f"decoding {split}") -> None:
            if steps is not None:
                steps(what, done, total)

        decoded(crops, fallback_size=size, progress=tell)


def _check_stream(files: list[str], size: tuple[int, int], steps: Steps | None) -> None:
    sources = [[name, signature(name).numbers] for name in files]
    key = hashlib.blake2b(json.dumps([_FORMAT, sources]).encode(), digest_size=10).hexdigest()
    known = default_cache_dir() / "readable" / key
    if known.exists():
        return

    def tell(done: int, total: int) -> None:
        if steps is not None:
            steps("reading test", done, total)

    def read(path: Path) -> None:
        read_crop(path, size, size, (0.5, 0.5))

    paths = [Path(name) for name in files]
    failures = [
        f"{printable(str(path))} ({result})"
        for path, result in zip(paths, map_files(read, paths, tell), strict=True)
        if isinstance(result, UnreadableError)
    ]
    if failures:
        raise UserError(
            f"{say_files(failures)} can't be read: {first_ten(failures)}",
            "restore these files from the data set's archive, or remove them",
        )
    try:
        write_text(known, "every image was read\n")
    except OSError:
        return  # it is found out again the next time
