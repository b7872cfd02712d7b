"""How a table fits a width: empty columns go, then blocks of columns stand below each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len

from reid_srdl.report.tables import MISSING, Column, Table
from reid_srdl.report.wrapping import wrapped
from reid_srdl.texts import plain

_NUMBER = Column("#", "#", "count")  # of a row, where its labels are too wide to be repeated


@dataclass(frozen=True)
class Strip:
    """A column as it is drawn.

    Attributes:
        column: whose it is.
        head: the lines of its heading.
        cells: its text in each row.
    """

    column: Column
    head: tuple[str, ...]
    cells: tuple[str, ...]

    @property
    def width(self) -> int:
        """Columns of a terminal that it takes."""
        return max(
            cell_len(line) for text in (*self.head, *self.cells) for line in text.split("\n")
        )

    @property
    def empty(self) -> bool:
        """Whether no row says anything here."""
        return all(cell in ("", MISSING) for cell in self.cells)


@dataclass(frozen=True)
class Block:
    """Columns side by side, ``gap`` columns of the terminal between them; a narrow block has 1."""

    strips: tuple[Strip, ...]
    gap: int

    @property
    def edged(self) -> bool:
        """Whether a column of the terminal stays empty at each edge."""
        return self.gap > 1

    @property
    def width(self) -> int:
        """Columns of a terminal that it takes."""
        return sum(strip.width + self.gap for strip in self.strips) - self.gap + 2 * self.edged


def blocks(table: Table, width: int) -> list[Block]:
    """Returns the table's columns in as many blocks as a terminal of this width needs.

    Every cell stands in one line where it can: cells longer than the terminal are wrapped between
    words. The labels of the rows, which are the columns up to the last one of text, stand in each
    block; where they are too wide, rows are numbered and the numbers stand there.
    """
    strips = _strips(table)
    full = [strip for strip in strips if not strip.empty] or strips
    for shown in (strips, full):
        for gap in (2, 1):
            if (block := Block(tuple(shown), gap)).width <= width:
                return [block]
    return _below_each_other(full, width)


def _strips(table: Table) -> list[Strip]:
    return [
        Strip(
            column,
            tuple(filter(None, map(plain, _heading(column)))),
            tuple(plain(table.text(row, column)) for row in table.rows),
        )
        for column in table.shown
    ]


def _heading(column: Column) -> tuple[str, ...]:
    return column.group, column.title or "", f"({column.unit})" if column.unit else ""


def _below_each_other(strips: Sequence[Strip], width: int) -> list[Block]:
    last = max((i for i, strip in enumerate(strips) if strip.column.kind == "text"), default=0)
    for count in (last + 1, *range(last, 0, -1)):
        labels, others = tuple(strips[:count]), strips[count:]
        told = list(zip(*(label.cells for label in labels), strict=True))
        widest = max((strip.width for strip in others), default=0)
        tells = count > last or len({*told}) == len(told)  # which row is which
        if others and tells and Block(labels, 1).width + 1 + widest <= width:
            return list(_filled(labels, others, width))
    numbers = tuple(str(number) for number in range(1, 1 + len(strips[0].cells)))
    label = Strip(_NUMBER, ("#",), numbers)
    room = width - label.width - 1
    return list(_filled((label,), [_narrowed(strip, room) for strip in strips], width))


def _filled(labels: tuple[Strip, ...], strips: Sequence[Strip], width: int) -> Iterator[Block]:
    """Yields blocks that hold as many columns as fit; columns of one group stay together."""
    block = Block(labels, 1)
    for group in _groups(strips):
        whole = Block((*block.strips, *group), 1)
        alone = Block((*labels, *group), 1)
        if whole.width > width >= alone.width and block.strips != labels:
            yield block
            block = alone
            continue
        for strip in group:
            longer = Block((*block.strips, strip), 1)
            if longer.width > width and block.strips != labels:
                yield block
                longer = Block((*labels, strip), 1)
            block = longer
    yield block


def _groups(strips: Sequence[Strip]) -> Iterator[tuple[Strip, ...]]:
    for group, members in groupby(strips, key=lambda strip: strip.column.group):
        if group:
            yield tuple(members)
        else:
            yield from ((member,) for member in members)


def _narrowed(strip: Strip, room: int) -> Strip:
    cells = tuple("\n".join(wrapped(cell, room)) for cell in strip.cells)
    head = tuple(line for text in strip.head for line in wrapped(text, room))
    return Strip(strip.column, head, cells)
