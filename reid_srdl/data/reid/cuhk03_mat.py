"""The MATLAB files of CUHK03: its images (cuhk-03.mat, HDF5 inside) and the new protocol's lists.

``detected`` and ``labeled`` are cells of five pairs of cameras, each a cell of M people by 10
images, the first five from the pair's first camera; some are empty. ``testsets`` holds the 20
classic test sets, each 100 x 2: pair and person. Images are written to the cache as
``PAIR_PERSON_VIEW_NUMBER.png``, the names that the new protocol's lists use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reid_srdl.data.file_digests import file_digest
from reid_srdl.data.kept_folder import kept_folder
from reid_srdl.data.places import ELSEWHERE, default_cache_dir
from reid_srdl.errors import FileError, UserError

MAT = "cuhk-03.mat"
_NAME = re.compile(r"([0-9])_([0-9]{3,})_([12])_([0-9]{2})\.png", re.ASCII)
_VIEW = 5  # images of a person from the first camera
_AGAIN = "fetch the data set again"


def extracted_images(mat: Path, kind: str) -> Path:
    """Returns the folder of the images of one kind, extracting them at the first call.

    Args:
        mat: cuhk-03.mat.
        kind: ``labeled`` or ``detected``.

    Raises:
        UserError: the file is not the data set's, or the images do not fit on the disk.
    """
    folder = default_cache_dir() / "cuhk03" / f"{kind}-{file_digest(mat)[:16]}"

    def write(place: Path) -> None:
        for name, pixels in _images(mat, kind):
            Image.fromarray(pixels).save(place / name)

    try:
        return kept_folder(folder, write)
    except OSError as error:
        raise FileError(error, folder.parent, f"extract {mat.name}", ELSEWHERE) from None


def parse_image(name: str) -> tuple[int, int, int] | None:
    """Returns pair, person and view of an extracted image's name; None for another name.

    >>> parse_image("1_013_2_06.png"), parse_image("0001_c1_1.png")
    ((1, 13, 2), None)
    """
    match = _NAME.fullmatch(name)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))


def classic_test_set(mat: Path, split: int) -> NDArray[np.int64]:
    """Returns the 100 (pair, person) of a classic test set, counted from 1.

    Raises:
        UserError: the file is not the data set's, or has no such test set.
    """
    with _opened(mat) as content:
        try:
            sets = np.asarray(content["testsets"]).reshape(-1)
            table = np.asarray(content[sets[split]]).T.astype(np.int64)
        except Exception:  # a foreign file makes the reader raise nearly anything
            raise UserError(
                f"{mat}: holds no classic test set {split} (testsets)", _AGAIN
            ) from None
    if table.ndim != 2 or table.shape[1] != 2:
        raise UserError(f"{mat}: test set {split} has shape {table.shape}, not N x 2", _AGAIN)
    return table


def new_protocol(config: Path) -> dict[str, list[tuple[str, int]]]:
    """Returns (image, identity) of ``train``, ``query`` and ``gallery`` of the new protocol.

    Raises:
        UserError: the file is not the new protocol's.
    """
    import scipy.io  # slow to import, and only this needs it

    try:
        content = scipy.io.loadmat(config)
        names = [str(np.asarray(cell).reshape(-1)[0]) for cell in content["filelist"].reshape(-1)]
        labels = content["labels"].reshape(-1).astype(np.int64)
        chosen = {
            split: content[f"{split}_idx"].reshape(-1).astype(np.int64) - 1
            for split in ("train", "query", "gallery")
        }
        if len(labels) != len(names) or any(rows.min() < 0 for rows in chosen.values()):
            raise ValueError
        return {
            split: [(names[row], int(labels[row])) for row in rows.tolist()]
            for split, rows in chosen.items()
        }
    except Exception:  # a damaged or foreign file makes the reader raise nearly anything
        raise UserError(
            f"{config}: not the new protocol's lists (filelist, labels, train_idx, query_idx, "
            "gallery_idx)",
            "fetch it again from the authors' repository (Zhong et al., CVPR 2017)",
        ) from None


def _images(mat: Path, kind: str) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    with _opened(mat) as content:
        try:
            for pair, reference in enumerate(np.asarray(content[kind]).reshape(-1), 1):
                for person, row in enumerate(np.asarray(content[reference]).T, 1):
                    for number, image in enumerate(row, 1):
                        pixels = np.asarray(content[image]).T
                        if pixels.ndim == 3:  # else an empty cell
                            view = 1 if number <= _VIEW else 2
                            name = f"{pair}_{person:03d}_{view}_{number:02d}.png"
                            yield name, np.ascontiguousarray(pixels, np.uint8)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError):
            raise UserError(f"{mat}: holds no cells of {kind} images", _AGAIN) from None


def _opened(mat: Path) -> Any:
    import h5py  # slow to import, and only this needs it

    try:
        return h5py.File(mat, "r")
    except OSError:
        raise UserError(f"{mat}: not a MATLAB 7.3 file, or damaged", _AGAIN) from None
