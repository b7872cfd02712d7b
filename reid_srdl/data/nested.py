"""All images of a folder and of the folders in it, by the rules of `data.listing`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reid_srdl.data.listing import (
    EMPTY_FILE,
    IMAGE_SUFFIXES,
    NOT_UTF8,
    LeftOut,
    list_folder,
    note_left_out,
    refuse_odd_name,
)
from reid_srdl.data.notes import Finding, is_utf8, say_files
from reid_srdl.errors import UserError
from reid_srdl.places import expanded

_SEEN = "a link to a folder above it"


@dataclass(frozen=True)
class NestedImages:
    """N images below a folder.

    Attributes:
        folder: that folder.
        names: their paths from there, with ``/`` between folders, sorted.
        notes: what was left out, counted and named.
    """

    folder: Path
    names: tuple[str, ...]
    notes: tuple[Finding, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The N files."""
        return tuple(self.folder / name for name in self.names)


@dataclass
class _Found:
    images: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def list_nested(folder: Path) -> NestedImages:
    """Lists the images below a folder; reads none.

    Raises:
        UserError: a folder can't be listed, or there is no image.
    """
    folder = expanded(folder)
    refuse_odd_name(folder)
    found = _Found()
    for below, above in _folders(folder, found):
        listed = list_folder(folder / below, hint="make the folder readable, or name another one")
        prefix = f"{below}/" if below else ""
        empty = set(listed.empty)
        found.images += [prefix + name for name in listed.images if name not in empty]
        found.left_out += [LeftOut(prefix + one.name, one.reason) for one in listed.left_out]
        found.left_out += [LeftOut(prefix + name, EMPTY_FILE) for name in listed.empty]
        above += [prefix + name for name in listed.folders]
    left_out = sorted(found.left_out, key=lambda one: one.name)
    if not found.images:
        why = f" ({say_files(left_out)} left out: {left_out[0]})" if left_out else ""
        raise UserError(
            f"{folder}: no images in it{why}",
            f"name a folder that holds some ({', '.join(IMAGE_SUFFIXES)})",
        )
    return NestedImages(folder, tuple(sorted(found.images)), note_left_out(str(folder), left_out))


def _folders(folder: Path, found: _Found) -> Iterator[tuple[str, list[str]]]:
    """Yields each folder once, with the list that takes the names of the folders in it."""
    waiting: list[str] = [""]
    while waiting:
        below = waiting.pop()
        if not is_utf8(below):
            found.left_out.append(LeftOut(below, NOT_UTF8))
        elif _leads_back(folder, below):
            found.left_out.append(LeftOut(below, _SEEN))
        else:
            yield below, waiting


def _leads_back(folder: Path, below: str) -> bool:
    """Says whether a folder is, by a link, one of those above it."""
    place = os.path.realpath(folder / below)
    return bool(below) and any(
        place == os.path.realpath(above) for above in (folder / below).parents
    )
