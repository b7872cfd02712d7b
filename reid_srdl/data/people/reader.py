"""The data set ``people``: from a folder of persons, or a table, to the parts of a re-id set."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.classes.file_table import FileTable
from reid_srdl.data.notes import Finding, first_ten, printable, say_files
from reid_srdl.data.people.draw import DRAW, drawn_splits
from reid_srdl.data.people.folders import Patterns, read_folders
from reid_srdl.data.people.kept_split import with_kept_split
from reid_srdl.data.people.rows import NONE, SPLITS, Table, check_files, sorted_table
from reid_srdl.data.people.tables import COLUMNS, CSV, PARQUET, read_table
from reid_srdl.data.reid.crops import DISTRACTOR, JUNK, UNKNOWN_CAMERA, Crops, ReidData
from reid_srdl.errors import UserError

FILES = (CSV, PARQUET)
LAYOUT = (
    f"a folder of images for each person, or be a table ({', '.join(FILES)}) with the columns "
    f"{', '.join(COLUMNS)}"
)

_TRAIN, _QUERY, _GALLERY, _BOXES = range(len(SPLITS))
_PIDS = np.array([*(JUNK, DISTRACTOR), 0])  # by kind; the last one, of -1, is not used


def load(name: str, place: Path, patterns: Patterns, kept: Path | None = None) -> ReidData:
    """Lists the images; reads none.

    Args:
        name: the data set's name, passed on.
        place: the folder of persons, or the table.
        patterns: what paths tell of cameras and persons.
        kept: the split of a finished run; None: the given one, or one that is drawn.

    Raises:
        UserError: what is there cannot be read, or makes no data set.
    """
    table, drawn = split_table(place, patterns, kept)
    _check_sides(table)
    return data_of(name, table, drawn=drawn)


def split_table(place: Path, patterns: Patterns, kept: Path | None = None) -> tuple[Table, bool]:
    """Returns the images with their splits, and whether these are drawn, now or for ``kept``.

    Raises:
        UserError: as `load`.
    """
    rows = read_table(place, patterns) if place.is_file() else read_folders(place, patterns)
    table = sorted_table(rows)
    check_files(table)
    given = table.splits != NONE
    if given.all():
        return table, False
    if given.any():
        without = table.named(np.flatnonzero(~given))
        raise UserError(
            f"{place}: {say_files(without)} without a split, where others have one: "
            f"{first_ten(without)}",
            f"give all of them one of {', '.join(SPLITS)}, or none",
        )
    if kept is not None:
        return with_kept_split(table, kept), True
    return _drawn(table), True


def data_of(name: str, table: Table, *, drawn: bool) -> ReidData:
    """Returns the parts of a re-id set."""
    pids = np.where(table.kinds == NONE, table.persons + 1, _PIDS[table.kinds])
    camids = np.where(table.cameras == NONE, UNKNOWN_CAMERA, table.cameras + 1)
    parts = [
        _crops(table, np.flatnonzero(table.splits == split), pids, camids)
        for split in range(len(SPLITS))
    ]
    train, nobody = parts[_TRAIN], parts[_TRAIN].pids <= DISTRACTOR
    note = Finding(f"train: {int(nobody.sum()):,} images of no person, not trained on")
    return ReidData(
        name=name,
        root=table.root,
        train=train.select(~nobody),
        query=parts[_QUERY],
        gallery=parts[_GALLERY],
        boxes=parts[_BOXES] if len(parts[_BOXES]) else None,
        notes=(*table.notes, *((note,) * bool(nobody.any()))),
        persons=table.person_names,
        cameras=table.camera_names,
        drawn=table if drawn else None,
    )


def _drawn(table: Table) -> Table:
    """Returns the table in a drawn split, with a note of it.

    Raises:
        UserError: there are too few persons.
    """
    count = len(table.person_names)
    if count < 4:  # two to train on, and two to tell apart
        raise UserError(
            f"{table.place}: {count} persons, where a drawn split needs 4 or more",
            "add persons, or give a table with a column split",
        )
    splits = drawn_splits(table)
    notes = [
        Finding(
            f"no split is given: {count // 2:,} of {count:,} persons drawn to train on "
            f"(the draw {DRAW!r}), the others to test"
        )
    ]
    if copies := int((splits == NONE).sum()):
        notes.append(
            Finding(f"{copies:,} frames of queries' own sequences left out of the gallery")
        )
    return table.in_splits(splits, tuple(notes))


def _check_sides(table: Table) -> None:
    """Checks that there is something to train on, or nothing at all, and something to test on.

    Raises:
        UserError: there is not, or a person is on both sides.
    """
    missing = [SPLITS[split] for split in (_QUERY, _GALLERY) if not (table.splits == split).any()]
    if missing:
        raise UserError(
            f"{table.place}: no rows of the split {' and '.join(missing)}",
            "add some, or leave the column out: a split is drawn then",
        )
    persons = [set(_persons(table, sides)) for sides in ((_TRAIN,), (_QUERY, _GALLERY))]
    if shared := persons[0] & persons[1]:
        told = first_ten([printable(table.person_names[person]) for person in sorted(shared)])
        raise UserError(
            f"{table.place}: {len(shared):,} persons to train on are among those to test: {told}",
            "keep each person on one side: train, or query and gallery",
        )
    if len(persons[0]) == 1:
        raise UserError(
            f"{table.place}: 1 person to train on, where a classifier needs 2 or more",
            "add rows of the split train",
        )


def _persons(table: Table, sides: Sequence[int]) -> list[int]:
    rows = np.isin(table.splits, sides) & (table.persons != NONE)
    persons: list[int] = np.unique(table.persons[rows]).tolist()
    return persons


def _crops(
    table: Table, rows: NDArray[np.int64], pids: NDArray[np.int64], camids: NDArray[np.int64]
) -> Crops:
    files = FileTable()
    paths = (table.paths[row].rpartition("/") for row in rows.tolist())
    for folder, some in groupby(paths, key=lambda parts: parts[0] + parts[1]):
        files.add(table.root / folder, (name for _, _, name in some))
    return Crops(files, pids[rows], camids[rows])
