"""Images with what their owner says of each, in little memory: 3 million rows take half a GiB.

Names may be any text: no person and no camera has a special one. What is nobody's has a kind.
"""

from __future__ import annotations

import dataclasses
import os
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.listing import EMPTY_FILE, IMAGE_SUFFIXES, NOT_READ
from reid_srdl.data.notes import Finding, first_ten, printable, say_files
from reid_srdl.errors import UserError

SPLITS = ("train", "query", "gallery", "boxes")
KINDS = ("junk", "distractor")  # images that are no person's

NONE = -1  # the number of what is not told


class Names(dict[str, int]):
    """Numbers texts from 0, in the order in which they come; no text is -1.

    >>> names = Names()
    >>> names["b"], names["a"], names["b"], names[""], names.names
    (0, 1, 0, -1, ('b', 'a'))
    """

    def __init__(self) -> None:
        super().__init__({"": NONE})

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self) - 1
        return number

    @property
    def names(self) -> tuple[str, ...]:
        """The names, by their numbers."""
        return tuple(self)[1:]


@dataclass
class Rows:
    """N images, a list for each column; read by `sorted_rows`, written by `add`.

    Attributes:
        root: the folder that relative paths start from.
        place: the folder, or the table, that messages name.
        paths: N paths, relative to the root or absolute.
        persons, cameras, sequences: N numbers of names, -1 where nothing is told.
        splits: N numbers in SPLITS, -1 where no split is given.
        kinds: N numbers in KINDS, -1 for a person's image.
        person_names, camera_names, sequence_names: the names.
        notes: what was left out.
    """

    root: Path
    place: Path
    paths: list[str] = field(default_factory=list)
    persons: array[int] = field(default_factory=lambda: array("l"))
    cameras: array[int] = field(default_factory=lambda: array("l"))
    sequences: array[int] = field(default_factory=lambda: array("l"))
    splits: array[int] = field(default_factory=lambda: array("b"))
    kinds: array[int] = field(default_factory=lambda: array("b"))
    person_names: Names = field(default_factory=Names)
    camera_names: Names = field(default_factory=Names)
    sequence_names: Names = field(default_factory=Names)
    notes: tuple[Finding, ...] = ()

    def add(
        self,
        path: str,
        person: str,
        camera: str,
        *,
        sequence: str = "",
        split: int = NONE,
        kind: int = NONE,
    ) -> None:
        """Appends an image; empty texts stand for what is not told."""
        self.paths.append(path)
        self.persons.append(self.person_names[person])
        self.cameras.append(self.camera_names[camera])
        self.sequences.append(self.sequence_names[sequence])
        self.splits.append(split)
        self.kinds.append(kind)


@dataclass(frozen=True)
class Table:
    """N images sorted by their paths, with arrays for columns; see `Rows`.

    Persons and cameras are numbered by their names' order, so that it does not matter in which
    order the images were told.
    """

    root: Path
    place: Path
    paths: Sequence[str]
    persons: NDArray[np.int64]
    cameras: NDArray[np.int64]
    sequences: NDArray[np.int64]
    splits: NDArray[np.int8]
    kinds: NDArray[np.int8]
    person_names: tuple[str, ...]
    camera_names: tuple[str, ...]
    sequence_names: tuple[str, ...]
    notes: tuple[Finding, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, rows: NDArray[np.int64]) -> Table:
        """Returns some of the images, with the persons, cameras and sequences that these have."""
        persons, person_names = _by_name(self.persons[rows], self.person_names)
        cameras, camera_names = _by_name(self.cameras[rows], self.camera_names)
        sequences, sequence_names = _by_name(self.sequences[rows], self.sequence_names)
        return Table(
            root=self.root,
            place=self.place,
            paths=[self.paths[row] for row in rows.tolist()],
            persons=persons,
            cameras=cameras,
            sequences=sequences,
            splits=self.splits[rows],
            kinds=self.kinds[rows],
            person_names=person_names,
            camera_names=camera_names,
            sequence_names=sequence_names,
            notes=self.notes,
        )

    def in_splits(self, splits: NDArray[np.int8], notes: tuple[Finding, ...]) -> Table:
        """Returns the images in other splits, with notes on them."""
        return dataclasses.replace(self, splits=splits, notes=(*self.notes, *notes))

    def named(self, rows: NDArray[np.int64]) -> tuple[str, ...]:
        """Returns the paths of some rows, for messages."""
        return tuple(printable(self.paths[row]) for row in rows.tolist())


def names_alike(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the names that differ by case, blanks or accents' encoding alone, as words.

    >>> names_alike(["Anna", "Ben", "anna "])
    ("'Anna' and 'anna '",)
    """
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        plain = " ".join(unicodedata.normalize("NFC", name).casefold().split())
        alike.setdefault(plain, []).append(name)
    return tuple(" and ".join(map(repr, same)) for same in alike.values() if len(same) > 1)


def _alike_notes(rows: Rows) -> tuple[Finding, ...]:
    """Notes names that are taken for several persons or cameras, and may be meant as one."""
    named = {"persons": rows.person_names.names, "cameras": rows.camera_names.names}
    pairs = {what: names_alike(names) for what, names in named.items()}
    return tuple(
        Finding(f"{what} whose names differ by case or blanks alone are taken for several", same)
        for what, same in pairs.items()
        if same
    )


def sorted_table(rows: Rows) -> Table:
    """Returns the images sorted by path; names that are nearly one are noted.

    Raises:
        UserError: a path stands twice.
    """
    order = np.array(sorted(range(len(rows.paths)), key=rows.paths.__getitem__), np.int64)
    table = Table(
        root=rows.root,
        place=rows.place,
        paths=rows.paths,
        persons=np.frombuffer(rows.persons, np.int64),
        cameras=np.frombuffer(rows.cameras, np.int64),
        sequences=np.frombuffer(rows.sequences, np.int64),
        splits=np.frombuffer(rows.splits, np.int8),
        kinds=np.frombuffer(rows.kinds, np.int8),
        person_names=rows.person_names.names,
        camera_names=rows.camera_names.names,
        sequence_names=rows.sequence_names.names,
        notes=(*rows.notes, *_alike_notes(rows)),
    ).take(order)
    pairs = zip(table.paths, table.paths[1:], strict=False)
    if twice := [printable(path) for path, other in pairs if path == other]:
        raise UserError(
            f"{rows.place}: paths that stand twice: {first_ten(list(dict.fromkeys(twice)))}",
            "keep one row for each image",
        )
    return table


def check_files(table: Table) -> None:
    """Checks that every image is a file, by its name and size.

    Raises:
        UserError: some are missing, empty, or no images; the first ten are named.
    """
    wrong = [f"{printable(path)} ({why})" for path, why in _wrong(table)]
    if wrong:
        raise UserError(
            f"{table.place}: {say_files(wrong)} can't be used: {first_ten(wrong)}",
            f"restore them, or leave their rows out; images end in {', '.join(IMAGE_SUFFIXES)}",
        )


def _wrong(table: Table) -> Iterator[tuple[str, str]]:
    root = f"{table.root}/"
    for path in table.paths:
        if not path.lower().endswith(IMAGE_SUFFIXES):
            yield path, NOT_READ
            continue
        try:
            # Plain strings: there may be millions.
            status = os.stat(path if path.startswith("/") else root + path)  # noqa: PTH116
        except (OSError, ValueError) as error:
            yield path, (getattr(error, "strerror", None) or str(error)).lower()
            continue
        if not status.st_size:
            yield path, EMPTY_FILE


def _by_name(
    numbers: NDArray[np.int64], names: Sequence[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Returns N numbers by the order of the names that they use, and these in that order."""
    used = np.unique(numbers[numbers != NONE]).tolist()
    order = sorted(used, key=names.__getitem__)
    place = np.full(len(names) + 1, NONE, np.int64)  # the last one is that of -1
    place[order] = np.arange(len(order))
    return place[numbers], tuple(names[number] for number in order)
