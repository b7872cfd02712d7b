"""Feature files: ours (.npz, or a folder of .npy files that can be larger than memory) and layumi's
Person_reID_baseline_pytorch's (.mat).

No array is unpickled: opening a stranger's file runs no code.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.files import whole_file
from reid_srdl.retrieval.feature_folders import check_new, read_folder, write_folder
from reid_srdl.retrieval.features import PARTS, Features, FeatureSet, checked
from reid_srdl.retrieval.memory import heap
from reid_srdl.retrieval.memory.mapped import is_mapped

_KINDS = ("features", "pids", "camids")
_LAYUMI = {"f": "features", "label": "pids", "cam": "camids"}
_LAYUMI_PARTS = {"query": ("query",), "gallery": ("gallery",), "multi": ("mquery", "multi")}

Arrays = Mapping[str, NDArray[Any]]


def load_features(path: Path) -> Features:
    """Reads and checks a features file, or a folder of .npy files.

    ``.npz`` holds ``query_features`` (Q x D), ``query_pids``, ``query_camids`` (Q each), the same
    for ``gallery_``, optionally for ``multi_`` (hand-drawn boxes), and optionally ``query_names``
    etc. A folder holds the same arrays as ``query_features.npy`` etc.; those of gallery and boxes
    are memory-mapped, and whether their features are finite is seen when they are read. ``.mat``
    holds ``query_f``, ``query_label``, ``query_cam``, the same for ``gallery_`` and optionally
    ``mquery_``. From then on the process's threads share one heap (see `memory.heap`).

    Raises:
        UserError: there is no such file, it is damaged, or an array is missing or unusable.
    """
    heap.share_one(keeping=not path.is_dir())  # before any thread
    features = from_arrays(_read(path), path)
    return checked(features, str(path), mapped_values=False)


def save_features(path: Path, features: Features) -> None:
    """Writes a ``.npz`` features file, or a folder of .npy files, whole or not at all.

    Args:
        path: a name that ends in .npz; a name without any ending, or an empty folder, for a folder.
        features: what to write.

    Raises:
        UserError: ``features`` could not be evaluated, the name ends otherwise, or the folder is
            not empty.
    """
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
    sets = {part: _set(source, arrays, part) for part in PARTS}
    query, gallery = sets["query"], sets["gallery"]
    assert query is not None
    assert gallery is not None
    return Features(query, gallery, sets["multi"])


def check_output(path: Path) -> None:
    """Checks a name before the work that leads to the file.

    Raises:
        UserError: the name ends otherwise than in .npz, or the folder that it names is not empty.
    """
    if path.is_dir() or not path.suffix:
        check_new(path)
    elif path.suffix != ".npz":
        raise UserError(
            f"{path}: features are written as .npz, or to a folder",
            "let its name end in .npz, or give it no ending for a folder",
            usage=True,
        )


def _read(path: Path) -> Arrays:
    if path.is_dir():
        return read_folder(
            path, [f"{part}_{kind}" for part in PARTS for kind in (*_KINDS, "names")]
        )
    if path.suffix not in (".npz", ".mat"):
        raise UserError(
            f"{path}: not a features file by its name",
            "give a .npz or .mat file, or a folder of .npy files",
            usage=True,
        )
    if not path.is_file():
        raise UserError(f"{path}: no such file", "give the path of a .npz or .mat file")
    return _read_npz(path) if path.suffix == ".npz" else _from_layumi(_read_mat(path))


def _set(path: Path, arrays: Arrays, part: str) -> FeatureSet | None:
    wanted = [f"{part}_{kind}" for kind in _KINDS]
    missing = [name for name in wanted if name not in arrays]
    if part == "multi" and len(missing) == len(wanted):
        return None
    if missing and path.is_dir():
        raise UserError(
            f"{path}: lacks the file {missing[0]}.npy",
            f"it must hold query_ and gallery_ {', '.join(_KINDS)}, each as .npy",
        )
    if missing:
        told = _layumi_name(missing[0]) if path.suffix == ".mat" else missing[0]
        hint = f"it must hold query_ and gallery_ {', '.join(_KINDS)}"
        if path.suffix == ".mat":
            hint = "it must hold query_ and gallery_ f, label, cam"
        elif arrays:
            hint += f"; {did_you_mean(missing[0], arrays)}"
        raise UserError(f"{path}: lacks the array {told}", hint)
    names = arrays.get(f"{part}_names")
    listed = None if names is None else _names(names.reshape(-1))
    features, pids, camids = (arrays[name] for name in wanted)
    return FeatureSet(features, pids, camids, listed)


def _names(names: NDArray[Any]) -> Sequence[str]:
    if is_mapped(names) and names.dtype.kind == "U":
        return cast(Sequence[str], names)  # its entries are strings, read one by one
    return tuple(str(name) for name in names)


def _read_npz(path: Path) -> Arrays:
    if not zipfile.is_zipfile(path):
        raise _damaged(path, "cannot be read as .npz (not a zip archive, or cut short)")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: _member(path, file, name) for name in file.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
        raise _damaged(path, f"cannot be read as .npz ({_line(error)})") from None


def _member(path: Path, file: Any, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = file[name]
    except ValueError as error:
        if "pickle" not in str(error) and "Object" not in str(error):
            raise
        raise UserError(
            f"{path}: {name} is an array of Python objects, which are never unpickled",
            "save numbers or strings",
        ) from None
    return array


def _read_mat(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        content: dict[str, Any] = loadmat(path, appendmat=False)
    except NotImplementedError:
        raise _damaged(path, "is a MATLAB 7.3 file", "save it again with -v7") from None
    except Exception as error:  # scipy's reader raises all sorts on damaged files
        raise _damaged(path, f"cannot be read as .mat ({_line(error)})") from None
    return content


def _from_layumi(content: Mapping[str, Any]) -> Arrays:
    """Renames the arrays and flattens labels of shape 1 x N or N x 1."""
    arrays: dict[str, NDArray[Any]] = {}
    for part, prefixes in _LAYUMI_PARTS.items():
        for prefix in prefixes:
            for short, kind in _LAYUMI.items():
                array = content.get(f"{prefix}_{short}")
                if array is not None:
                    arrays[f"{part}_{kind}"] = array if kind == "features" else _labels(array)
    return arrays


def _labels(array: NDArray[Any]) -> NDArray[Any]:
    flat = array.reshape(-1) if array.ndim == 2 and 1 in array.shape else array
    # MATLAB's own numbers are float64; whole ones are labels all the same.
    whole = flat.dtype.kind == "f" and bool(np.all(flat == np.floor(flat)))
    return flat.astype(np.int64) if whole and np.isfinite(flat).all() else flat


def _layumi_name(name: str) -> str:
    part, kind = name.split("_")
    prefix = _LAYUMI_PARTS[part][0]
    return f"{prefix}_{ {long: short for short, long in _LAYUMI.items()}[kind] }"


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _damaged(path: Path, what: str, hint: str = "write the file again") -> UserError:
    return UserError(f"{path}: {what}", hint)
