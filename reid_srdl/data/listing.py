"""What a folder of images holds: the images, what is left out and why, and litter.

Every reader of files goes through here, so that an ending is an image everywhere or nowhere.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_srdl.data.notes import Finding, is_utf8, printable, say_files
from reid_srdl.errors import UserError

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".gif",
    ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip

# For the patterns of file names; without the dot.
SUFFIX = "(?:" + "|".join(suffix[1:] for suffix in IMAGE_SUFFIXES) + ")"

NOT_READ = "not an image type that is read"
BROKEN_LINK = "broken link"
EMPTY_FILE = "empty file"
NOT_UTF8 = "a name that is not UTF-8"
_NOT_PLAIN = "not a plain file"
_HIDDEN = "hidden"
A_FOLDER = "a folder"

_LITTER = re.compile(
    r"thumbs\.db|ehthumbs(_vista)?\.db|\.ds_store|desktop\.ini|\._.*|__macosx|\.gitkeep"
    r"|readme(\..*)?|icon\r|\$recycle\.bin|system volume information|lost\+found|@eadir",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that is no image here: its name, as it stands on the disk, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.name)} ({self.reason})"


@dataclass(frozen=True)
class Listing:
    """What a folder holds; names as on the disk, sorted.

    Attributes:
        images: files whose ending is an image's, empty ones too: reading them is an error by name.
        empty: those of ``images`` that are empty.
        folders: neither litter nor hidden.
        left_out: everything else but litter.
        litter: what file managers leave behind, and hidden folders.
    """

    images: tuple[str, ...]
    empty: tuple[str, ...]
    folders: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    litter: tuple[str, ...]


def is_litter(name: str) -> bool:
    """Tells whether ``name`` is what file managers and archives leave behind."""
    return _LITTER.fullmatch(name) is not None


def list_folder(folder: Path, *, hint: str = "", usage: bool = False) -> Listing:
    """Lists a folder by names, kinds and sizes; reads no file.

    Raises:
        UserError: the folder can't be listed; with ``hint``, as a wrong call where ``usage``.
    """
    images: list[str] = []
    folders: list[str] = []
    litter: list[str] = []
    left_out: list[LeftOut] = []
    empty: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if is_litter(entry.name):
                    litter.append(entry.name)
                elif entry.is_dir():
                    hidden = entry.name.startswith(".")
                    (litter if hidden else folders).append(entry.name)
                elif (reason := _reason(entry)) is not None:
                    left_out.append(LeftOut(entry.name, reason))
                else:
                    images.append(entry.name)
                    if not entry.stat().st_size:
                        empty.append(entry.name)
    except OSError as error:
        raise UserError(
            f"{printable(str(folder))}: {error.strerror}",
            hint or "make the folder readable, or give another --data-dir",
            usage=usage,
        ) from None
    return Listing(tuple(images), tuple(empty), tuple(folders), tuple(left_out), tuple(litter))


def list_images(
    folder: Path, option: str, *, none: str = "no images in it", usage: bool = True
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Lists the images of any folder, sorted by name, and notes what is left out.

    Args:
        folder: where they are; ``~`` is expanded by the caller.
        option: how the user named the folder, for messages.
        none: what is said of a folder without images.
        usage: whether it is a wrong call to name such a folder.

    Raises:
        UserError: the folder can't be listed, or holds no image.
    """
    refuse_odd_name(folder)
    found = list_folder(folder, hint=f"give {option} a folder of images", usage=usage)
    left_out = [
        *found.left_out,
        *(LeftOut(name, EMPTY_FILE) for name in found.empty),
        *(LeftOut(name, A_FOLDER) for name in found.folders),
    ]
    empty = set(found.empty)
    images = tuple(name for name in found.images if name not in empty)
    if not images:
        why = f" ({say_files(left_out)} left out: {left_out[0]})" if left_out else ""
        raise UserError(
            f"{folder}: {none}{why}",
            f"give {option} the folder that holds them ({', '.join(IMAGE_SUFFIXES)})",
            usage=usage,
        )
    return images, note_left_out(folder.name, left_out)


def note_left_out(where: str, left_out: Sequence[LeftOut]) -> tuple[Finding, ...]:
    """Returns the note that counts and names what is left out; none where nothing is."""
    if not left_out:
        return ()
    text = f"{printable(where)}: {say_files(left_out)} left out"
    return (Finding(text, tuple(str(one) for one in left_out)),)


def refuse_odd_name(path: Path) -> None:
    """Refuses a path that can't be written as text: records name it.

    Raises:
        UserError: a byte of it is no UTF-8.
    """
    if not is_utf8(str(path)):
        raise UserError(
            f"{printable(str(path))}: {NOT_UTF8}", "rename it; records and tables are UTF-8"
        )


def _reason(entry: os.DirEntry[str]) -> str | None:
    """Returns why an entry that is no folder is no image; None: it is one, by its name."""
    try:
        status = entry.stat()
    except OSError as error:
        return BROKEN_LINK if entry.is_symlink() else error.strerror or "can't be read"
    if not stat.S_ISREG(status.st_mode):
        return _NOT_PLAIN
    if not is_utf8(entry.name):
        return NOT_UTF8
    if not entry.name.lower().endswith(IMAGE_SUFFIXES):
        return NOT_READ
    if entry.name.startswith("."):
        return _HIDDEN
    return None
