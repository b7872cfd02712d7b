"""Reads images as a viewer shows them, and strictly: all of a file, or an error.

Every pixel of this package comes through here: whole sets, streams, search, distractors.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from reid_srdl.data.colours import ColourError, as_rgb
from reid_srdl.data.orientation import UPRIGHT, orientation, shown_size, upright
from reid_srdl.machine import available_cores

# Told how many files are done, and of how many.
Progress = Callable[[int, int], None]

# Told what is being done, how many pieces of it are, and of how many.
Steps = Callable[[str, int, int], None]

# Told by the content, not the ending. JPEG: also those that hold previews. PPM: also PGM and PBM.
_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "TIFF", "GIF", "PPM")
KINDS = "JPEG, PNG, BMP, WebP, TIFF, GIF or PPM"
_BATCH = 512  # files in flight, which bounds the memory

T = TypeVar("T")

# Pillow tells of damaged EXIF and the like by lines of its own code; what is shown is settled here.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class UnreadableError(Exception):
    """An image file that can't be read; the text says why."""


def image_size(path: Path) -> tuple[int, int]:
    """Returns (height, width) in pixels as shown, from the file's header.

    Raises:
        UnreadableError: not an image, or an absurdly large one.
    """
    with _opened(path) as image:
        return shown_size(path, image)


def read_rgb(path: Path, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Decodes a whole image to RGB, the right way up (see `data.colours`, `data.orientation`).

    Args:
        path: an image file.
        size: (height, width) to resize to, bilinear with antialiasing; None: as it is.

    Returns:
        H x W x 3, uint8.

    Raises:
        UnreadableError: the file is truncated, empty, not an image, an absurdly large one, or
            its pixels are no colours.
    """
    with _opened(path) as image:
        rgb = upright(as_rgb(image), orientation(image))
    if size is not None and (rgb.height, rgb.width) != size:
        # Pillow's bilinear filter widens with the reduction, so it antialiases.
        rgb = rgb.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(rgb)


def read_crop(
    path: Path,
    size: tuple[int, int],
    cover: tuple[int, int],
    corner: tuple[float, float],
) -> NDArray[np.uint8]:
    """Decodes an image, resizes it so that it just covers ``cover``, and cuts a window out of it.

    Args:
        path: an image file; upright JPEGs are decoded at a half, a quarter or an eighth of their
            size where that is no smaller than what they are resized to.
        size: (height, width) of the window.
        cover: (height, width), no smaller than ``size``; the image's proportions are kept.
        corner: where the window's top and left edge lies between its first and its last possible
            place, both in [0, 1].

    Returns:
        height x width x 3, uint8, RGB.

    Raises:
        UnreadableError: as ``read_rgb``.
    """
    with _opened(path) as image:
        own_height, own_width = shown_size(path, image)
        scale = max(cover[0] / own_height, cover[1] / own_width)
        # Rounding must not make it smaller than what it covers.
        height = max(cover[0], round(own_height * scale))
        width = max(cover[1], round(own_width * scale))
        way = orientation(image)
        # Turned, the part of a pixel at a reduced image's edges would lie elsewhere.
        draft = image.draft("RGB", (width, height)) if way == UPRIGHT else None
        rgb = upright(as_rgb(image), way)
    # A part of the size may be no whole number: what the image's own edges have become.
    _, (_, _, right_edge, bottom_edge) = draft or ("RGB", (0, 0, rgb.width, rgb.height))
    top = min(int(corner[0] * (height - size[0] + 1)), height - size[0])
    left = min(int(corner[1] * (width - size[1] + 1)), width - size[1])
    # Only the window is computed: its box in the image as decoded.
    down, right = bottom_edge / height, right_edge / width
    # The least of both, since Pillow would refuse an edge that rounding puts outside.
    box = (
        left * right,
        top * down,
        min((left + size[1]) * right, rgb.width),
        min((top + size[0]) * down, rgb.height),
    )
    return np.asarray(rgb.resize((size[1], size[0]), Image.Resampling.BILINEAR, box))


def map_files(
    read: Callable[[Path], T], paths: Sequence[Path], progress: Progress | None = None
) -> Iterator[T | UnreadableError]:
    """Yields ``read(path)`` for each file in order, or why it is unreadable; in threads."""

    def attempt(path: Path) -> T | UnreadableError:
        try:
            return read(path)
        except UnreadableError as error:
            return error

    # Pillow decodes without the interpreter's lock, so threads run side by side.
    with ThreadPoolExecutor(available_cores()) as pool, _bombs_are_errors():
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            yield from pool.map(attempt, batch)
            if progress is not None:
                progress(start + len(batch), len(paths))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        if path.stat().st_size == 0:
            raise UnreadableError("zero bytes")
        with Image.open(path, formats=_FORMATS) as image:
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and image.width * image.height > limit:
                raise UnreadableError("too many pixels for a crop")
            yield image
    except UnreadableError:
        raise
    except UnidentifiedImageError:
        raise UnreadableError(f"not a {KINDS} image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableError("too many pixels for a crop") from None
    except ColourError as error:
        raise UnreadableError(str(error)) from None
    except OSError as error:
        # Pillow says "image file is truncated (12 bytes not processed)" and the like
        raise UnreadableError(error.strerror or str(error)) from None
    except Exception as error:  # a damaged or hostile file makes the parsers raise nearly anything
        raise UnreadableError(f"damaged ({error})") from None


@contextlib.contextmanager
def _bombs_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield
