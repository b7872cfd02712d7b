"""A small typed table that keeps raw numbers, and how it is written for people.

One table serves every form: :mod:`reid_srdl.report.render` turns it into a terminal's table,
Markdown, LaTeX, CSV or JSON. Numbers are rounded only where people read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reid_srdl.records.statistics import Measure

Value = str | int | float | tuple[int | str, ...] | Measure | None
Kind = Literal["text", "count", "millions", "number", "percent"]
MISSING = "-"


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        key: its name in CSV and JSON.
        title: its heading for people; None leaves it out of what people read.
        kind: what its values are, and so how they are written; ``percent`` is for measures of
            fractions, written as percentages.
        unit: stands in the heading, in brackets.
        group: a heading over this column and its neighbours with the same one.
    """

    key: str
    title: str | None
    kind: Kind = "text"
    unit: str = ""
    group: str = ""

    @property
    def align(self) -> Literal["left", "right"]:
        """Text stands left, numbers stand right."""
        return "left" if self.kind == "text" else "right"

    @property
    def heading(self) -> str:
        """The title with its unit."""
        return f"{self.title} ({self.unit})" if self.unit else f"{self.title}"


@dataclass(frozen=True)
class Row:
    """A row: values by column key; None is written as a dash, a column left out stays empty.

    Gains carry signs and stand out.
    """

    values: Mapping[str, Value]
    gain: bool = False
    separator: bool = False  # a line is drawn above it


@dataclass(frozen=True)
class Table:
    """A titled table with notes below it."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns that people read."""
        return tuple(column for column in self.columns if column.title is not None)

    def text(self, row: Row, column: Column) -> str:
        """Returns a cell as people read it: ``89.3 ± 0.2 (5)``, ``+1.8``, ``25.0``, ``-``."""
        sign = "+" if row.gain else ""
        if column.key not in row.values:
            return ""
        value = row.values[column.key]
        if value is None:
            return MISSING
        if isinstance(value, Measure):
            deviation = "" if value.sd is None else f" ± {_number(value.sd, column.kind)}"
            return f"{_number(value.mean, column.kind, sign)}{deviation} ({value.n})"
        if isinstance(value, tuple):
            return ", ".join(str(part) for part in value)
        return value if isinstance(value, str) else _number(value, column.kind)


def _number(value: float, kind: Kind, sign: str = "") -> str:
    match kind:
        case "percent":
            return f"{100 * value:{sign}.1f}"
        case "millions":
            return f"{value / 1e6:{sign}.1f}"
        case "count":
            return f"{value:{sign},}"
        case _:
            return f"{value:{sign}.3g}"
