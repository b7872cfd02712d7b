"""A gallery's features, kept in the run's folder so that the second search is fast."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.file_digests import signature
from reid_srdl.data.reid.crops import Crops
from reid_srdl.errors import FileError
from reid_srdl.files import whole_file
from reid_srdl.records.folder import RunFolder
from reid_srdl.seals import check_seal, is_sealed, sealed
from reid_srdl.tasks.features import Extractor

_FORMAT = 2


@dataclass(frozen=True)
class Gallery:
    """The features of a gallery.

    Attributes:
        rows: N x D.
        size: (height, width) at which its images were decoded, in pixels.
        cached: whether the features were read back.
    """

    rows: NDArray[np.float32]
    size: tuple[int, int]
    cached: bool


def gallery_features(
    folder: RunFolder,
    network: str,
    extractor: Extractor,
    where: Path,
    crops: Crops,
    refused: Callable[[FileError], None],
) -> Gallery:
    """Returns the features of N crops.

    There is one file for each gallery folder, ``RUN/search/HASH.npz``. It counts while the list of
    files, their sizes, times and inodes, the weights and what computes are the same, and while it
    is what was written; else it is made anew.

    Raises:
        UserError: an image can't be read. That the features can't be kept is told ``refused``.
    """
    path = folder.path / "search" / f"{_hash(str(where.absolute()))}.npz"
    key = _key(folder.weights(network), extractor, crops)
    kept = _read(path, key, len(crops))
    if kept is not None:
        return kept
    pixels = extractor.decoded("gallery", crops)
    rows = extractor.of_pixels("gallery", pixels)
    size = (pixels.shape[1], pixels.shape[2])
    try:
        with (
            sealed(path),
            whole_file(path, "the gallery's features") as temporary,
            temporary.open("wb") as file,
        ):
            np.savez(file, allow_pickle=False, key=np.array(key), size=size, features=rows)
    except FileError as error:  # they are computed again the next time
        refused(error)
    return Gallery(rows, size, cached=False)


def _read(path: Path, key: str, count: int) -> Gallery | None:
    try:
        if not is_sealed(path):
            return None
        check_seal(path)
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            rows: NDArray[np.float32] = file["features"]
            height, width = file["size"].tolist()
    except Exception:  # not there, or damaged: a flipped bit makes NumPy raise nearly anything
        return None
    sound = rows.dtype == np.float32 and rows.ndim == 2 and len(rows) == count
    return Gallery(rows, (height, width), cached=True) if sound else None


def _key(weights: Path, extractor: Extractor, crops: Crops) -> str:
    sources = []
    for path in (weights, *crops.paths):
        sources.append((str(path.absolute()), signature(path).numbers))
    compute = extractor.compute
    how = (extractor.size, extractor.flip, compute.precision, compute.device.type)
    return _hash(json.dumps([_FORMAT, how, sources]))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
