"""Feature files: ours (.npz, or a folder of .npy files that can be larger than memory) and layumi's
Person_reID_baseline_pytorch's (.mat).

No array is unpickled: opening a stranger's file runs no code.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from reid_srdl import places
from reid_srdl.errors import UserError, did_you_mean, nearest
from reid_srdl.feature_files.folders import check_new, read_folder, write_folder
from reid_srdl.feature_files.layumi import NAMES_IN_MAT, read_mat, told_name
from reid_srdl.feature_files.npy import read_stream
from reid_srdl.feature_files.strangers import check_memory, check_plain, is_folder, reading
from reid_srdl.files import whole_file
from reid_srdl.places import StrPath, as_path
from reid_srdl.retrieval.features import PARTS, Features, FeatureSet, checked
from reid_srdl.retrieval.memory import heap
from reid_srdl.retrieval.memory.mapped import is_mapped
from reid_srdl.retrieval.odd_labels import odd_labels
from reid_srdl.texts import shown

_KINDS = ("features", "pids", "camids")
_NAMES = tuple(f"{part}_{kind}" for part in PARTS for kind in (*_KINDS, "names"))
LABELS = tuple(f"{part}_{kind}" for part in PARTS[:2] for kind in ("pids", "camids", "names"))

Arrays = Mapping[str, NDArray[Any]]


def load_features(path: StrPath) -> Features:
    """Reads and checks a features file, or a folder of .npy files.

    ``.npz`` holds ``query_features`` (Q x D), ``query_pids``, ``query_camids`` (Q each), the same
    for ``gallery_``, optionally for ``multi_`` (hand-drawn boxes), and optionally ``query_names``
    etc. A folder holds the same arrays as ``query_features.npy`` etc.; those of gallery and boxes
    are memory-mapped, and whether their features are finite is seen when they are read. ``.mat``
    holds ``query_f``, ``query_label``, ``query_cam``, the same for ``gallery_`` and optionally
    ``mquery_``. From then on the process's threads share one heap (see `memory.heap`).

    Args:
        path: the file or folder.

    Returns:
        Features of queries, gallery and perhaps boxes, float16 or float32 as they are in the file;
        their notes name arrays that are not read, and identities that may be meant as junk.

    Raises:
        UserError: there is no such file, it is damaged, or an array is missing or unusable.

    >>> load_features("features.npz").query.features.shape  # doctest: +SKIP
    (12, 512)
    """
    path = as_path(path)
    heap.share_one(keeping=not is_folder(path))  # before any thread
    ignored: list[str] = []
    features = from_arrays(_read(path, ignored), path)
    found = checked(features, str(path), mapped_values=False)
    notes = (*_ignored(path, ignored), *odd_labels(features, str(path)))
    return replace(found, notes=notes)


def load_arrays(path: Path, names: Collection[str]) -> Arrays:
    """Reads some arrays of a features file by name, unchecked; the rest of it may be missing.

    Args:
        path: as for `load_features`.
        names: of the arrays; those that end in ``_names`` may be missing.

    Raises:
        UserError: there is no such file, it is damaged, or an array is missing.
    """
    if is_folder(path):
        arrays: Arrays = read_folder(path, list(names))
    elif _check_file(path).suffix == ".npz":
        arrays = _read_npz(path, names)
    else:
        arrays = read_mat(path)
    wanted = [name for name in names if not name.endswith("_names")]
    if missing := [name for name in wanted if name not in arrays]:
        raise UserError(
            f"{path}: lacks the array {missing[0]}", f"it must hold {', '.join(wanted)}"
        )
    return {name: arrays[name] for name in names if name in arrays}


def save_features(path: StrPath, features: Features) -> None:
    """Writes a ``.npz`` features file, or a folder of .npy files, whole or not at all.

    Args:
        path: a name that ends in .npz; a name without any ending, or an empty folder, for a folder.
        features: what to write.

    Raises:
        UserError: ``features`` could not be evaluated, the name ends otherwise, or the folder is
            not empty.

    >>> save_features("copy.npz", load_features("features.npz"))  # doctest: +SKIP
    """
    path = as_path(path)
    check_output(path)
    arrays = to_arrays(checked(features))
    if path.suffix != ".npz":
        write_folder(path, arrays)
        return
    with whole_file(path, "the features") as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def to_arrays(features: Features) -> dict[str, NDArray[Any]]:
    """Returns the arrays that a features file holds, by name."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, part in features.parts():
        for kind in _KINDS:
            arrays[f"{name}_{kind}"] = np.asarray(getattr(part, kind))
        if part.names is not None:
            arrays[f"{name}_names"] = np.asarray(part.names, dtype=np.str_)
    return arrays


def from_arrays(arrays: Arrays, source: Path) -> Features:
    """Returns the features that a file's arrays hold, unchecked.

    Raises:
        UserError: an array is missing.
    """
    _check_there(source, arrays)
    query, gallery = _set(arrays, "query"), _set(arrays, "gallery")
    return Features(query, gallery, _set(arrays, "multi") if "multi_pids" in arrays else None)


def check_output(path: Path) -> None:
    """Checks a name before the work that leads to the file.

    Raises:
        UserError: the name ends otherwise than in .npz, or the folder that it names is not empty.
        FileError: no file can be written there.
    """
    if is_folder(path) or not path.suffix:
        check_new(path)
    elif path.suffix != ".npz":
        raise UserError(
            f"{path}: features are written as .npz, or to a folder",
            "let its name end in .npz, or give it no ending for a folder",
            usage=True,
        )
    if path.suffix:
        places.check_output(path, "the features")


def _read(path: Path, ignored: list[str]) -> Arrays:
    """Returns the arrays that a features file holds; names of others are put into ``ignored``."""
    if is_folder(path):
        ignored += sorted({file.stem for file in path.glob("*.npy")} - {*_NAMES})
        return read_folder(path, list(_NAMES))
    if _check_file(path).suffix == ".npz":
        return _read_npz(path, ignored=ignored)
    return read_mat(path, ignored)


def _ignored(path: Path, names: Collection[str]) -> Iterator[str]:
    known = NAMES_IN_MAT if path.suffix == ".mat" else _NAMES
    for name in names:
        near = nearest(name, known)
        meant = f"; did you mean {near!r}?" if near else ""
        yield f"{path}: the array {shown(name)} is not read{meant}"


def _check_file(path: Path) -> Path:
    if path.suffix not in (".npz", ".mat"):
        raise UserError(
            f"{path}: not a features file by its name",
            "give a .npz or .mat file, or a folder of .npy files",
            usage=True,
        )
    check_plain(path, "give the path of a .npz or .mat file")
    return path


def _check_there(path: Path, names: Collection[str]) -> None:
    """Checks that the arrays of queries and gallery are there, and of boxes all or none."""
    for part in PARTS:
        wanted = [f"{part}_{kind}" for kind in _KINDS]
        missing = [name for name in wanted if name not in names]
        if not missing or (part == "multi" and len(missing) == len(wanted)):
            continue
        hint = f"it must hold query_ and gallery_ {', '.join(_KINDS)}"
        if is_folder(path):
            raise UserError(f"{path}: lacks the file {missing[0]}.npy", f"{hint}, each as .npy")
        if path.suffix == ".mat":
            hint = "it must hold query_ and gallery_ f, label, cam"
            raise UserError(f"{path}: lacks the array {told_name(missing[0])}", hint)
        meant = f"; {did_you_mean(missing[0], names)}" if names else ""
        raise UserError(f"{path}: lacks the array {missing[0]}", hint + meant)


def _set(arrays: Arrays, part: str) -> FeatureSet:
    features, pids, camids = (arrays[f"{part}_{kind}"] for kind in _KINDS)
    names = arrays.get(f"{part}_names")
    listed = None if names is None else _names(names.reshape(-1))
    return FeatureSet(features, pids, camids, listed)


def _names(names: NDArray[Any]) -> Sequence[str]:
    if is_mapped(names) and names.dtype.kind == "U":
        return cast(Sequence[str], names)  # its entries are strings, read one by one
    return tuple(str(name) for name in names)


def _read_npz(
    path: Path, names: Collection[str] | None = None, ignored: list[str] | None = None
) -> Arrays:
    """Returns the arrays of these names that an archive holds; by default a whole features file.

    The names of others are put into ``ignored``.
    """
    with reading(str(path), ".npz"), path.open("rb") as stream:
        if not zipfile.is_zipfile(stream):
            raise ValueError("not a zip archive, or cut short")
        with zipfile.ZipFile(stream) as file:
            members = {info.filename.removesuffix(".npy"): info for info in file.infolist()}
            if names is None:
                _check_there(path, members)
            wanted = {name: members[name] for name in names or _NAMES if name in members}
            if ignored is not None:
                ignored += sorted({*members} - {*_NAMES})
            check_memory(str(path), sum(info.file_size for info in wanted.values()))
            return {name: _member(path, file, info) for name, info in wanted.items()}


def _member(path: Path, file: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    name = info.filename.removesuffix(".npy")
    with reading(f"{path}: {name}", "an array"), file.open(info) as stream:
        return read_stream(
            stream, info.file_size, f"{path}: {name}", narrow=name.endswith("_features")
        )
