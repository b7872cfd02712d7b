"""Folders of runs as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from reid_srdl.report.tables import Column, Row, Table


class Folder(Protocol):
    """A folder with its size in bytes and its state."""

    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...
    @property
    def state(self) -> str: ...


def runs_table(found: Sequence[Folder], title: str) -> Table:
    """Returns a row for each folder."""
    columns = (Column("run", "run"), Column("state", "state"), Column("size", "size", "number"))
    rows = (
        Row({"run": str(one.path), "state": one.state, "size": bytes_told(one.size)})
        for one in found
    )
    total = bytes_told(sum(one.size for one in found))
    return Table(f"{title}: {len(found):,} folders, {total}", columns, tuple(rows))


def bytes_told(size: int) -> str:
    """Returns a size for people.

    >>> bytes_told(0), bytes_told(2048), bytes_told(3 * 2**30)
    ('0 B', '2.0 KiB', '3.0 GiB')
    """
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
