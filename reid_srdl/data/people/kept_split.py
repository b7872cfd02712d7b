"""The split that a run was trained on, kept in its folder: images that are added later stay out."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from reid_srdl.data.notes import Finding, first_ten, printable, say_files
from reid_srdl.data.people.rows import NONE, SPLITS, Table
from reid_srdl.errors import UserError
from reid_srdl.seals import check_seal

_NO_SPLIT = ""  # frames of a query's sequence, see `draw`


def split_text(table: Table) -> str:
    """Returns the paths and splits of a table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "split"))
    names = (*SPLITS, _NO_SPLIT)  # -1 is the last one
    writer.writerows(
        (path, names[split]) for path, split in zip(table.paths, table.splits.tolist(), strict=True)
    )
    return text.getvalue()


def with_kept_split(table: Table, file: Path) -> Table:
    """Returns the images of a kept split, in it; a note counts the others.

    Raises:
        UserError: the file is damaged, or images of the split are gone.
    """
    check_seal(file)
    numbers = {_NO_SPLIT: NONE, **{name: number for number, name in enumerate(SPLITS)}}
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            kept = {path: numbers[split] for path, split in list(csv.reader(lines))[1:]}
    except (OSError, ValueError, KeyError, csv.Error):
        raise UserError(f"{file}: damaged", "restore the file, or train again") from None
    here = np.array([path in kept for path in table.paths], np.bool_)
    if gone := sorted(kept.keys() - set(table.paths)):
        told = first_ten([printable(path) for path in gone])
        raise UserError(
            f"{table.place}: {say_files(gone)} of the split that the run was trained on are gone: "
            f"{told}",
            "restore them; other people's images can be given as a table with a column split",
        )
    new = table.named(np.flatnonzero(~here))
    note = Finding(
        f"{say_files(new)} more than the split that the run was trained on, left out",
        new,
    )
    part = table.take(np.flatnonzero(here))
    splits = np.array([kept[path] for path in part.paths], np.int8)
    return part.in_splits(splits, (note,) * bool(len(new)))
