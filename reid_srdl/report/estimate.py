"""What a study would take, as a table."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Protocol

from reid_srdl.report.tables import Column, Row, Table


class Estimated(Protocol):
    """What the runs of a cell take, see `jobs.studies.estimate.Estimate`."""

    @property
    def name(self) -> str: ...
    @property
    def runs(self) -> int: ...
    @property
    def images(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def disk(self) -> int: ...


_COLUMNS = (
    Column("name", "cell"),
    Column("runs", "runs", "number"),
    Column("images", "images", "number"),
    Column("time", "time", "number"),
    Column("disk", "disk", "number", unit="MiB"),
)


def estimate_table(found: Sequence[Estimated], title: str) -> Table:
    """Returns a row for each cell, and their sum."""
    rows = [_row(one.name, one.runs, one.images, one.seconds, one.disk) for one in found]
    sums = (
        sum(one.runs for one in found),
        sum(one.images for one in found),
        sum(one.seconds for one in found),
        sum(one.disk for one in found),
    )
    return Table(title, _COLUMNS, (*rows, _row("all", *sums, last=True)))


def estimate_json(found: Sequence[Estimated]) -> list[dict[str, object]]:
    """Returns each cell's as plain values: seconds, and bytes of disk."""
    keys = ("name", "runs", "images", "seconds", "disk")
    return [{key: getattr(one, key) for key in keys} for one in found]


def _row(
    name: str, runs: int, images: int, seconds: float, disk: int, *, last: bool = False
) -> Row:
    cells = {
        "name": name,
        "runs": f"{runs}",
        "images": f"{images:,}",
        "time": str(datetime.timedelta(seconds=round(seconds))),
        "disk": f"{disk / 2**20:,.{0 if disk >= 10 * 2**20 else 2}f}",
    }
    return Row(cells, separator=last)
