"""A page of sections, rendered by jinja2 into one file that asks for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from reid_srdl.records.intervals import interval
from reid_srdl.records.statistics import Measure
from reid_srdl.report.html.charts import Chart
from reid_srdl.report.html.pixels import data_uri
from reid_srdl.report.rank_lists import Shown, Tile
from reid_srdl.report.tables import Column, Row, Table
from reid_srdl.texts import plain

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).parent / "templates"
_TILE = (80, 160)  # pixels of an image in the page
_NAMED = ("method", "run", "key")  # columns that tell rows apart: they stay in sight


@dataclass(frozen=True)
class PictureRow:
    """Pictures beside each other: their names, and the addresses that hold them."""

    title: str
    pictures: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class View:
    """Rows of pictures below each other."""

    title: str
    rows: Sequence[PictureRow]


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        key: of the link to it.
        title: its heading.
        intro: what it shows, in a sentence.
        tables, charts, lists, views: what stands in it.
        exact: a title and JSON: the numbers as programs read them.
        commands: what makes its numbers again.
        sorts: its tables sort and filter.
        notes: lines below.
    """

    key: str
    title: str
    intro: str = ""
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    lists: Sequence[Shown] = ()
    views: Sequence[View] = ()
    exact: Sequence[tuple[str, str]] = ()
    commands: Sequence[tuple[str, str]] = ()
    sorts: bool = False
    notes: Sequence[str] = ()


def render(title: str, told: str, sections: Sequence[Section]) -> str:
    """Returns the page.

    Args:
        title: its title.
        told: what it was made of, and when.
        sections: its parts, in order.
    """
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=title,
            told=told,
            sections=sections,
            style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
            script=Markup((_TEMPLATES / "tables.js").read_text(encoding="utf-8")),
        )
    )


def _environment() -> jinja2.Environment:
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: plain(value) if type(value) is str else value,
    )
    found.filters["lines"] = _lines
    found.filters["words"] = _words
    found.globals |= {
        "sort_key": sort_key,
        "gain_class": gain_class,
        "interval_key": interval_key,
        "groups": groups,
        "named": _NAMED,
        "tile_uri": _tile_uri,
    }
    return found


def _lines(text: str) -> Markup:
    """Returns a text of several lines, each of which does no harm."""
    return Markup("\n").join(plain(line) for line in text.splitlines())


def _words(text: str) -> Markup:
    """Returns a command whose lines break between words alone, not after a hyphen."""
    word = Markup("<span>{}</span>")
    return Markup(" ").join(word.format(plain(one)) for one in text.split(" "))


def sort_key(row: Row, column: Column) -> str:
    """Returns what a cell is sorted by: its raw number, else its text."""
    value = row.values.get(column.key)
    if isinstance(value, Measure):
        return repr(value.mean)
    return "" if value is None else str(value)


def interval_key(column: Column) -> str:
    """Returns the key of what stands below a column's means: their intervals, in words."""
    return f"{column.key}_interval"


def gain_class(row: Row, column: Column) -> str:
    """Returns how a cell of gains stands out whose interval leaves zero out: above it, or below."""
    value = row.values.get(column.key)
    if not row.gain or not isinstance(value, Measure):
        return ""
    low, high = interval(value) or (0.0, 0.0)
    return " above" if low > 0 else " below" if high < 0 else ""


def groups(table: Table) -> list[tuple[str, int]]:
    """Returns the headings over a table's columns, and how many each spans; none: empty."""
    found: list[tuple[str, int]] = []
    for column in table.shown:
        if found and column.group and found[-1][0] == column.group:
            found[-1] = column.group, found[-1][1] + 1
        else:
            found.append((column.group, 1))
    return found if any(name for name, _ in found) else []


def _tile_uri(tile: Tile) -> str:
    """Returns a tile's image as text; empty where there is none."""
    return "" if tile.path is None else _encoded(tile)


@cache
def _encoded(tile: Tile) -> str:
    from reid_srdl.report.pictures import picture

    image = picture(tile, _TILE, enlarge=False)
    return "" if image is None else data_uri(image)
