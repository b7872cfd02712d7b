"""Market-1501's layout written as a table, and as a folder for each person."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from reid_srdl.data import ReidData
from reid_srdl.data.reid.crops import DISTRACTOR, JUNK

HEADER = ("path", "person", "camera", "split", "kind")
_KINDS = {JUNK: "junk", DISTRACTOR: "distractor"}


def rows_of(data: ReidData) -> Iterator[tuple[str, str, str, str, str]]:
    """Yields a row for each crop, as people would write it."""
    splits = {"train": data.train, "query": data.query, "gallery": data.gallery}
    if data.boxes is not None:
        splits["boxes"] = data.boxes
    for split, crops in splits.items():
        labels = zip(crops.paths, crops.pids.tolist(), crops.camids.tolist(), strict=True)
        for path, pid, camid in labels:
            person = "" if pid in _KINDS else path.name.partition("_")[0]
            yield str(path), person, f"c{camid}", split, _KINDS.get(pid, "")


def write_csv(data: ReidData, path: Path) -> Path:
    """Writes the table as CSV, the last row first."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER, *list(rows_of(data))[::-1]])
    return path


def write_parquet(data: ReidData, path: Path) -> Path:
    """Writes the table as Parquet, cameras as numbers, empty cells as nulls."""
    import pyarrow
    from pyarrow import parquet

    columns = dict(zip(HEADER, map(list, zip(*rows_of(data), strict=True)), strict=True))
    told = {name: [cell or None for cell in cells] for name, cells in columns.items()}
    told["camera"] = [int(cell[1:]) for cell in columns["camera"]]
    parquet.write_table(pyarrow.table(told), path)
    return path


def link_folders(data: ReidData, root: Path) -> Path:
    """Makes a folder for each person, of links to the crops of training and test."""
    for path, person, _, split, _ in rows_of(data):
        if person and split != "boxes":
            link = root / person / split / Path(path).name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return root
