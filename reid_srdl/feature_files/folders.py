"""Feature folders: the arrays of a features file as .npy files, which can be memory-mapped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.feature_files.npy import read_header, read_stream
from reid_srdl.feature_files.strangers import check_plain, reading
from reid_srdl.files import whole_folder

_MAPPED = ("gallery", "multi")  # queries are few and needed whole


def read_folder(path: Path, names: list[str]) -> dict[str, NDArray[Any]]:
    """Returns the arrays NAME.npy that a folder holds, gallery and boxes memory-mapped.

    Raises:
        UserError: a file is damaged, holds Python objects, is not as long as its header says, or
            cannot be mapped by rows; or it is a folder, a pipe or a device.
    """
    files = {name: path / f"{name}.npy" for name in names}
    return {name: _read(file) for name, file in files.items() if os.path.lexists(file)}


def write_folder(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes NAME.npy for each array; the folder appears whole or not at all.

    Raises:
        UserError: the folder exists and is not empty.
    """
    check_new(path)
    with whole_folder(path, "the features") as temporary:
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)


def check_new(path: Path) -> None:
    """Checks that a folder can be written.

    Raises:
        UserError: there is something by this name that is not an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path}: exists already", "remove it, or name another folder")


def _read(path: Path) -> NDArray[Any]:
    hint = "write the file again"
    size, mapped = check_plain(path, hint), path.stem.split("_")[0] in _MAPPED
    with reading(str(path), ".npy", hint), path.open("rb") as file:
        if not mapped:
            return read_stream(file, size, f"{path}:", narrow=path.stem.endswith("_features"))
        shape, by_column, _ = read_header(file, size, f"{path}:")
        if by_column and len(shape) == 2 and 0 not in shape:
            raise UserError(
                f"{path}: stored column by column (Fortran order)",
                "save it through numpy.ascontiguousarray",
            )
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
