"""Feature folders: the arrays of a features file as .npy files, which can be memory-mapped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.files import whole_folder

_MAPPED = ("gallery", "multi")  # queries are few and needed whole


def read_folder(path: Path, names: list[str]) -> dict[str, NDArray[Any]]:
    """Returns the arrays NAME.npy that a folder holds, gallery and boxes memory-mapped.

    Raises:
        UserError: a file is damaged, holds Python objects, or cannot be mapped by rows.
    """
    return {name: _read(path / f"{name}.npy") for name in names if (path / f"{name}.npy").exists()}


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
    mapped = path.stem.split("_")[0] in _MAPPED
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)  # else NumPy takes it for a pickle
        array: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        if "bject" in str(error):
            raise UserError(
                f"{path}: an array of Python objects, which are never unpickled",
                "save numbers or strings",
            ) from None
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{path}: cannot be read as .npy ({reason})", "write the file again"
        ) from None
    if array.ndim == 2 and array.size and not array.flags.c_contiguous:
        raise UserError(
            f"{path}: stored column by column (Fortran order)",
            "save it through numpy.ascontiguousarray",
        )
    return array
