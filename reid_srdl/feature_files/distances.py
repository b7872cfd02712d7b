"""Files of distances: a matrix as .npy with its labels beside it, or all in one .npz."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.feature_files.npy import read_header
from reid_srdl.feature_files.reading import LABELS, load_arrays
from reid_srdl.feature_files.strangers import check_plain, reading
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.given import Distances, checked_distances, labelled
from reid_srdl.retrieval.odd_labels import odd_labels

_NAME = "distances"  # of the matrix in a .npz
_STEP_BYTES = 1 << 20
_LENGTHS_AT = 26  # in the header of a zip's member
_HINT = "give a .npy file of Q x G distances, or a .npz file that holds them as 'distances'"


def load_distances(path: Path, labels: Path | None = None) -> Distances:
    """Reads and checks a matrix of distances and the labels of its rows and columns.

    Args:
        path: a ``.npy`` file of Q x G values, or a ``.npz`` that holds them as ``distances``; they
            are memory-mapped, unless the ``.npz`` is compressed.
        labels: a file or folder with ``query_pids``, ``query_camids``, ``gallery_pids`` and
            ``gallery_camids`` (and perhaps ``query_names``, ``gallery_names``), such as a file of
            features; None: the ``.npz`` holds them, too.

    Raises:
        UserError: there is no such file, it is damaged, or an array is missing or unusable.
    """
    if path.suffix not in (".npy", ".npz"):
        raise UserError(f"{path}: no file of distances by its name", _HINT, usage=True)
    check_plain(path, _HINT)
    if path.suffix == ".npy" and labels is None:
        what = f"--distances {path}: says nothing of who its rows and columns are"
        hint = (
            "add --labels FILE, a .npz with query_pids, query_camids, gallery_pids, gallery_camids"
        )
        raise UserError(what, hint, usage=True)
    values = _mapped(path) if path.suffix == ".npy" else _within(path)
    known = load_arrays(labels or path, LABELS)
    query, gallery = (_images(known, part) for part in ("query", "gallery"))
    given = checked_distances(values, query, gallery, str(path))
    notes = odd_labels(Features(query, gallery), str(labels or path))
    return replace(given, images=replace(given.images, notes=notes))


def _mapped(path: Path) -> NDArray[Any]:
    size = check_plain(path, _HINT)
    with reading(str(path), ".npy"), path.open("rb") as file:
        read_header(file, size, f"{path}:")
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _within(path: Path) -> NDArray[Any]:
    """Returns the matrix in a ``.npz``, mapped where it stands there as it is."""
    member = f"{_NAME}.npy"
    with reading(str(path), ".npz"), path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            return load_arrays(path, (_NAME,))[_NAME]  # tells what is wrong
        with zipfile.ZipFile(file) as archive:
            if member not in archive.namelist():
                return load_arrays(path, (_NAME,))[_NAME]
            info = archive.getinfo(member)
            if info.compress_type != zipfile.ZIP_STORED:
                return load_arrays(path, (_NAME,))[_NAME]
            with archive.open(info) as stream:
                shape, by_column, dtype = read_header(stream, info.file_size, f"{path}: {_NAME}")
                before = stream.tell()
                while stream.read(_STEP_BYTES):  # to its end, where the checksum is compared
                    pass
        file.seek(info.header_offset + _LENGTHS_AT)
        lengths = struct.unpack("<HH", file.read(4))  # of the name, and of what follows it
        start = info.header_offset + _LENGTHS_AT + 4 + sum(lengths) + before
        return np.memmap(path, dtype, "r", start, shape, "F" if by_column else "C")


def _images(known: Mapping[str, NDArray[Any]], part: str) -> FeatureSet:
    return labelled(known[f"{part}_pids"], known[f"{part}_camids"], known.get(f"{part}_names"))
