"""Lines that end between words: no word and no number is broken, however narrow the terminal."""

from __future__ import annotations

from rich.cells import cell_len


def wrapped(text: str, width: int) -> list[str]:
    """Returns a text in lines of at most ``width`` columns; a longer word has a line of its own.

    >>> wrapped("runs/a-long-name is new", 10)
    ['runs/a-long-name', 'is new']
    """
    lines: list[str] = []
    for word in text.split(" "):
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def beside(left: str, right: str, column: int, width: int) -> list[str]:
    """Returns ``right`` wrapped from ``column`` on; below ``left`` where that reaches so far."""
    lines = wrapped(right, max(width - column, 1))
    if cell_len(left) + 2 > column:
        return [left, *(f"{'':{column}}{line}" for line in lines)]
    first = left + " " * (column - cell_len(left)) + lines[0]
    return [first.rstrip(), *(f"{'':{column}}{line}" for line in lines[1:])]
