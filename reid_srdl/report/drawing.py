"""A table on a terminal: every cell whole, nothing in it markup or a command."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from reid_srdl.report.layout import Block, blocks
from reid_srdl.report.tables import Table
from reid_srdl.report.wrapping import wrapped
from reid_srdl.texts import plain


def to_rich(table: Table, console: Console) -> RenderableType:
    """Returns the table for a terminal as wide as the console.

    A word that is longer than the terminal stays whole: print it with ``crop=False``.
    """
    return _Drawn(table)


class _Drawn:
    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _lines(self._table.title, options.max_width, "bold")
        drawn = blocks(self._table, options.max_width)
        for block in drawn:
            if not block.edged:
                yield Text("")
            wide = options.update(width=max(block.width, options.max_width))
            yield from console.render(_draw(self._table, block), wide)
        if not drawn[-1].edged:
            yield Text("")
        for note in self._table.notes:
            yield from _lines(f"note: {note}", options.max_width, "dim")


def _lines(text: str, width: int, style: str) -> Iterator[Text]:
    for line in wrapped(plain(text), width):
        yield Text(line, style=style, no_wrap=True, overflow="ignore")


def _draw(table: Table, block: Block) -> RichTable:
    drawn = RichTable(
        box=box.SIMPLE_HEAD,
        padding=(0, block.gap - 1),
        pad_edge=False,
        collapse_padding=True,
        show_edge=block.edged,
    )
    for strip in block.strips:
        drawn.add_column(Text("\n".join(strip.head)), justify=strip.column.align, no_wrap=True)
    for index, row in enumerate(table.rows):
        if row.separator and index:
            drawn.add_section()
        cells = (Text(strip.cells[index]) for strip in block.strips)
        drawn.add_row(*cells, style="bold" if row.gain else None)
    return drawn
