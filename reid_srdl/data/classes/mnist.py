"""MNIST as torchvision keeps it: the four idx files, plain or gzipped, in ``MNIST/raw``.

Y. LeCun, C. Cortes and C. Burges: 60,000 and 10,000 digits of 28 x 28 grey pixels. The MD5 sum of
each file's plain content is compared with the official one before it is read.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.classes.samples import ClassData, Samples
from reid_srdl.data.images import Steps
from reid_srdl.errors import UserError

MD5: dict[str, str] = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
SPLITS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
CLASSES = tuple(map(str, range(10)))
LAYOUT = f"{', '.join(MD5)}, plain or .gz"

_AGAIN = "fetch the official file again"
_UNSIGNED_BYTES = 8  # the third byte of an idx file: what its values are


@dataclass(frozen=True)
class IdxFile:
    """A file of the set as it was found.

    Attributes:
        path: plain, or with ``.gz``.
        content: its plain bytes.
        md5: their sum.
        official: what that should be.
    """

    path: Path
    content: bytes
    md5: str
    official: str


def load(
    name: str, root: Path, size: tuple[int, int] | None = None, progress: Steps | None = None
) -> ClassData:
    """Reads the whole set into memory (52 MiB).

    Args:
        name: the data set's name, passed on.
        root: the folder that holds the four files.
        size: not asked for: the images stay 28 x 28, and are resized as they are served.
        progress: called with (what, files read, files in all).

    Raises:
        UserError: a file is missing, has another MD5 sum than the official one, or does not hold
            what it should.
    """

    def split(number: int, files: tuple[str, str]) -> Samples:
        pixels, labels = (find(root, file) for file in files)
        read = read_split(pixels, labels)
        if progress is not None:
            progress(f"reading {files[0]}", 2 * number, len(MD5))
        return Samples(read[1], read[0], (pixels.path, labels.path))

    train, test = (split(number, files) for number, files in enumerate(SPLITS.values(), 1))
    return ClassData(name, root, CLASSES, train, test)


def find(root: Path, name: str) -> IdxFile:
    """Returns a file of the set, the plain one where both are there; its sum is not compared.

    Raises:
        UserError: it is neither there plain nor gzipped, or cannot be unpacked.
    """
    plain, packed = root / name, root / f"{name}.gz"
    path = packed if packed.is_file() and not plain.is_file() else plain
    try:
        content = path.read_bytes()
        if path == packed:
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: corrupt: {error}", _AGAIN) from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", f"the folder should hold {LAYOUT}") from None
    return IdxFile(
        path, content, hashlib.md5(content, usedforsecurity=False).hexdigest(), MD5[name]
    )


def read_split(pixels: IdxFile, labels: IdxFile) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Returns N x 28 x 28 x 1 pixels and N labels.

    Raises:
        UserError: as :func:`load`.
    """
    images, classes = _array(pixels, 3), _array(labels, 1)
    if len(images) != len(classes):
        what = f"{labels.path}: {len(classes):,} labels for {len(images):,} images"
        raise UserError(what, _AGAIN)
    if len(classes) and classes.max() >= len(CLASSES):
        raise UserError(f"{labels.path}: labels up to {classes.max()}, but 10 classes", _AGAIN)
    return images[..., None], classes.astype(np.int64)


def _array(file: IdxFile, dimensions: int) -> NDArray[Any]:
    """Reads an idx file of bytes: two zeros, 8, dimensions, each one's size, then the values."""
    if file.md5 != file.official:
        raise UserError(
            f"{file.path}: corrupt: its MD5 sum is {file.md5}, the official file's {file.official}",
            _AGAIN,
        )
    start = 4 + 4 * dimensions
    shape = np.frombuffer(file.content[4:start], ">u4").astype(int).tolist()
    values = np.frombuffer(file.content[start:], np.uint8)
    head = (0, 0, _UNSIGNED_BYTES, dimensions)
    if tuple(file.content[:4]) != head or len(values) != int(np.prod(shape)):
        raise UserError(f"{file.path}: no idx file of {dimensions} dimensions", _AGAIN)
    return values.reshape(shape)
