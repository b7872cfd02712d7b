"""Images read from their files each time, in threads: for sets that do not fit in memory."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.classes.file_table import FileTable
from reid_srdl.data.content import files_digest
from reid_srdl.data.images import UnreadableError, read_crop
from reid_srdl.errors import UserError
from reid_srdl.machine import available_cores

# As usual for ImageNet: crops of 224 pixels from images whose shorter side is 256.
COVER = 256 / 224

FORMAT = 2  # a change of how images are read makes older knowledge of them stale


class ImageStream:
    """A source of N images of any size, cut to height x width as they are read.

    Each image is resized, its proportions kept, so that it just covers ``COVER`` times the height
    and the width: for 224 x 224 its shorter side becomes 256. The clean view is the middle of
    that, a crop lies anywhere in it. JPEGs are decoded at a half, a quarter or an eighth of their
    size where that is enough, which saves most of the time.

    Args:
        files: the images.
        size: (height, width) in pixels.
        root: the data set's folder, below which digests of the files are kept.
    """

    def __init__(self, files: FileTable, size: tuple[int, int], root: Path | None = None) -> None:
        self._files = files
        self._root = files[0].parent if root is None else root
        self._size = size
        height, width = size
        self._cover = (round(height * COVER), round(width * COVER))
        self._threads = _decoders()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, height, width and 3."""
        return len(self._files), *self._size, 3

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Returns the clean view of B images: B x height x width x 3, RGB.

        Raises:
            UserError: an image can't be read.
        """
        return self.crops(index, np.full((len(index), 2), 0.5))

    def crops(self, index: NDArray[np.int64], corners: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Returns crops of B images: B x height x width x 3, RGB.

        Args:
            index: B positions.
            corners: B x 2 in [0, 1): where each crop's top and left edge lies between its first
                and its last possible place.

        Raises:
            UserError: an image can't be read.
        """
        images = np.empty((len(index), *self._size, 3), np.uint8)

        def fill(row: int) -> None:
            path = self._files[int(index[row])]
            top, left = corners[row].tolist()
            try:
                images[row] = read_crop(path, self._size, self._cover, (top, left))
            except UnreadableError as error:
                raise UserError(
                    f"{path}: can't be read ({error})",
                    "restore the file from the data set's archive; data check names all such files",
                ) from None

        for _ in self._threads.map(fill, range(len(index))):
            pass
        return images

    def digest(self) -> str:
        """Returns a hash of all files' names and bytes (see `data.content`), and of the size.

        Raises:
            UserError: a file is no longer there, or can't be read.
        """
        return f"{FORMAT}:{self.shape}:{files_digest(self._root, self._files)}"


@functools.cache
def _decoders() -> ThreadPoolExecutor:
    """Returns the threads that decode, one for each core, shared by all streams."""
    # Pillow decodes without the interpreter's lock, so threads run side by side.
    return ThreadPoolExecutor(available_cores(), thread_name_prefix="decode")
