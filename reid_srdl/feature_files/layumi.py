"""Features as layumi's Person_reID_baseline_pytorch saves them: a .mat file (up to version 7.2)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.feature_files.mat_files import Variable, read_variables
from reid_srdl.feature_files.strangers import reading
from reid_srdl.retrieval.features import whole_numbers

_KINDS = {"f": "features", "label": "pids", "cam": "camids"}
_PARTS = {"query": ("query",), "gallery": ("gallery",), "multi": ("mquery", "multi")}
_WIDE: dict[str, np.dtype[Any]] = {"single": np.dtype(np.float32), "double": np.dtype(np.float64)}
_WIDE |= {name: np.dtype(name) for name in ("int8", "int16", "int32", "int64")}
_WIDE |= {f"u{name}": np.dtype(f"u{name}") for name in ("int8", "int16", "int32", "int64")}


def read_mat(path: Path, ignored: list[str] | None = None) -> dict[str, NDArray[Any]]:
    """Returns a file's arrays by this project's names, labels of shape 1 x N or N x 1 flattened.

    Args:
        path: the file.
        ignored: names of other arrays are put here.

    Raises:
        UserError: the file is damaged, or of MATLAB 7.3; an array is sparse, of cells or objects,
            or holds labels that may have been rounded.
    """
    names = _ours()
    with reading(str(path), ".mat"):
        found = read_variables(path, names, ignored)
    arrays: dict[str, NDArray[Any]] = {}
    for name, variable in found.items():
        array, what = _plain(f"{path}: {name}", variable), f"{path}: {name}"
        is_label = not names[name].endswith("_features")
        arrays[names[name]] = _labels(what, array, variable.kind) if is_label else array
    return arrays


def told_name(name: str) -> str:
    """Returns what such a file calls one of our arrays."""
    part, kind = name.split("_")
    short = {long: short for short, long in _KINDS.items()}[kind]
    return f"{_PARTS[part][0]}_{short}"


def _ours() -> Mapping[str, str]:
    return {
        f"{prefix}_{short}": f"{part}_{kind}"
        for part, prefixes in _PARTS.items()
        for prefix in prefixes
        for short, kind in _KINDS.items()
    }


NAMES_IN_MAT = tuple(_ours())


def _plain(name: str, variable: Variable) -> NDArray[Any]:
    """Returns the values in their own type: MATLAB packs whole numbers of any into integers."""
    if variable.values is None:
        raise UserError(f"{name} is {variable.kind}", "save a full array of numbers")
    own, values = _WIDE.get(variable.kind), variable.values
    if own is None or (own.kind in "iu" and not np.can_cast(values.dtype, own)):
        return values
    return values.astype(own, copy=False)


def _labels(name: str, array: NDArray[Any], kind: str) -> NDArray[Any]:
    """Flattens labels, and turns MATLAB's own numbers, which are float64, into integers."""
    if kind == "logical":
        raise UserError(f"{name} has type logical", "give integers")
    flat = array.reshape(-1) if array.ndim == 2 and 1 in array.shape else array
    return whole_numbers(name, flat) if flat.dtype.kind == "f" else flat
