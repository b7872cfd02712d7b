"""Decoded pixels of a split, memory-mapped from a cache outside the data set."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from reid_srdl.data.checksums import checksums, is_sound
from reid_srdl.data.file_digests import signature
from reid_srdl.data.images import Progress, UnreadableError, image_size, map_files, read_rgb
from reid_srdl.data.notes import first_ten, printable
from reid_srdl.data.places import ELSEWHERE, default_cache_dir
from reid_srdl.errors import FileError, UserError
from reid_srdl.files import whole_file, write_json
from reid_srdl.texts import sizes_told

FORMAT = 2  # a change of the format, or of how images are read, makes older caches stale

_Source = tuple[str, list[int]]  # path and signature


class ImageFiles(Protocol):
    """N images in files, such as the crops of a split."""

    @property
    def paths(self) -> Sequence[Path]:
        """The N files."""

    def __len__(self) -> int:
        """Returns N."""


def decoded(
    crops: ImageFiles, *, fallback_size: tuple[int, int], progress: Progress | None = None
) -> NDArray[np.uint8]:
    """Returns the pixels of N images; decodes them at the first call, maps the cache later.

    The cache is rebuilt when a file's size, times or inode change, and when it was damaged: it is
    compared with its checksums when a process first opens it. A second process that asks for the
    same images waits for the first one's cache; one that is killed leaves nothing that counts.

    Args:
        crops: N crops of persons, or other images in files.
        fallback_size: (height, width) in pixels for images that are not all of one size; they
            are resized bilinearly with antialiasing. Images that are all alike stay as they are.
        progress: called with (files done, files in all) while decoding.

    Returns:
        N x H x W x 3, uint8, RGB, in the order of ``crops``; a read-only ``np.memmap``.

    Raises:
        UserError: images can't be read (the first ten are named), or the disk is full.
    """
    folder = default_cache_dir() / "decoded"
    places = _Places.of(crops, folder, fallback_size)
    try:
        pixels = _mapped(places, len(crops))
        if pixels is not None:
            return pixels
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{places.split}.lock"):
            pixels = _mapped(places, len(crops))  # by another process, while this one waited
            if pixels is not None:
                return pixels
            _remove_leftovers(folder, places.split)
            built = _build(crops, places, fallback_size, progress)
            pixels = _open(built, len(crops))
    except OSError as error:
        raise FileError(error, folder, "write the image cache", ELSEWHERE) from None
    if pixels is None:
        raise UserError(
            f"{folder}: what was just written there reads back as something else",
            f"check the disk; {ELSEWHERE}",
        )
    return pixels


def known_pixels(images: ImageFiles) -> NDArray[np.uint8] | None:
    """Returns what ``decoded`` keeps of images that are all of one size; None: not decoded yet."""
    places = _Places.of(images, default_cache_dir() / "decoded", (0, 0))
    return _open(places.own_size, len(images))


@dataclass(frozen=True)
class _Places:
    """Names of a cache: of the images' folder (``split``), then of the very files and times."""

    split: str
    sources: tuple[_Source, ...]
    own_size: Path
    resized: Path

    @classmethod
    def of(cls, crops: ImageFiles, folder: Path, size: tuple[int, int]) -> _Places:
        sources = tuple(_source(path) for path in crops.paths)
        split = _hash(sorted({str(path.parent.absolute()) for path in crops.paths}))
        stem = f"{split}-{_hash([FORMAT, *sources])}"
        height, width = size
        return cls(split, sources, folder / f"{stem}.npy", folder / f"{stem}-{height}x{width}.npy")


def _source(path: Path) -> _Source:
    name = os.path.abspath(path)  # noqa: PTH100 - strings are much faster
    return name, signature(name).numbers


def _hash(value: Sequence[object]) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=10).hexdigest()


def _mapped(places: _Places, count: int) -> NDArray[np.uint8] | None:
    pixels = _open(places.own_size, count)
    return pixels if pixels is not None else _open(places.resized, count)


def _open(path: Path, count: int) -> NDArray[np.uint8] | None:
    """Maps a cache; None where it is not there, or is not what was written: it is built anew."""
    try:
        listing = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if not is_sound(path, listing["checksums"]):
            return None
        pixels: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, UserError, ValueError, LookupError, TypeError):
        return None
    sound = pixels.dtype == np.uint8 and pixels.ndim == 4 and len(pixels) == count
    return pixels if sound else None


def _remove_leftovers(folder: Path, split: str) -> None:
    """Removes what killed processes left, and caches whose images have changed.

    All builders of this split hold its lock, so no one else is writing these files.
    """
    for temporary in folder.glob(f".{split}-*.tmp"):
        temporary.unlink(missing_ok=True)
    for listing in folder.glob(f"{split}-*.json"):
        if not _is_current(listing):
            listing.with_suffix(".npy").unlink(missing_ok=True)
            listing.unlink(missing_ok=True)


def _is_current(listing: Path) -> bool:
    try:
        known = json.loads(listing.read_text(encoding="utf-8"))
        return known["format"] == FORMAT and all(
            _source(Path(path)) == (path, numbers) for path, numbers in known["sources"]
        )
    except (UserError, OSError, ValueError, LookupError, TypeError):
        return False


def _build(
    crops: ImageFiles, places: _Places, fallback_size: tuple[int, int], progress: Progress | None
) -> Path:
    if not len(crops):
        raise UserError("no images to decode", "give a split that holds images")
    sizes = {size for size in map_files(image_size, crops.paths) if isinstance(size, tuple)}
    alike = len(sizes) == 1
    size = next(iter(sizes)) if alike else fallback_size
    path = places.own_size if alike else places.resized
    _check_room(path.parent, len(crops) * size[0] * size[1] * 3)
    failures = []
    with whole_file(path) as temporary:
        # Written in order, never mapped: a full disk is an error here, not a crash.
        with temporary.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (len(crops), *size, 3)}
            np.lib.format.write_array_header_1_0(file, header)
            rows = map_files(lambda image: read_rgb(image, size), crops.paths, progress)
            for image, row in zip(crops.paths, rows, strict=True):
                if isinstance(row, UnreadableError):
                    failures.append(f"{printable(str(image))} ({row})")
                else:
                    file.write(row.tobytes())
        if failures:
            count = "1 image" if len(failures) == 1 else f"{len(failures):,} images"
            raise UserError(
                f"{count} can't be read: {first_ten(failures)}",
                "restore these files from the data set's archive, or remove them",
            )
        listing = {
            "format": FORMAT,
            "checksums": checksums(temporary),
            "sources": places.sources,
        }
        write_json(path.with_suffix(".json"), listing)
    return path


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        take, has = sizes_told(needed, free)
        raise UserError(
            f"{folder}: decoded, the images take {take}, the cache has {has}",
            f"make room; {ELSEWHERE}",
        )
