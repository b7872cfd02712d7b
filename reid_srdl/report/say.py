"""How commands print: nothing that a person or a file named is read as markup, or obeyed.

Results go to standard output; notes, warnings and where files stand go to standard error.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from reid_srdl.errors import FileError
from reid_srdl.files import write_text
from reid_srdl.report.drawing import to_rich
from reid_srdl.report.tables import Table
from reid_srdl.report.wrapping import beside
from reid_srdl.texts import json_text, plain

_PIPE_WIDTH = 200  # columns where no terminal says how many it has


def say(line: str) -> None:
    """Prints a line of the result."""
    print(plain(line))


def tell(line: str) -> None:
    """Prints a line about the result on standard error."""
    print(plain(line), file=sys.stderr)


def tell_all(what: str, lines: Iterable[object]) -> None:
    """Prints lines on standard error that begin alike: with ``note``, ``warning``, ``written``."""
    for line in lines:
        tell(f"{what}: {line}")


@contextlib.contextmanager
def telling_of_stop(line: str | None) -> Iterator[None]:
    """Prints a line on standard error where Ctrl-C or a signal stops the work; None: nothing."""
    try:
        yield
    except KeyboardInterrupt:
        if line is not None:
            tell(line)
        raise


def show(*tables: Table) -> None:
    """Prints tables, as wide as the terminal, or as a pipe may be."""
    sys.stdout.write(drawn(tables, to_terminal=True))


def show_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Prints names and, beside them, texts that are wrapped between words."""
    console, rows = _console(), [(plain(name), plain(text)) for name, text in pairs]
    column = max((cell_len(name) for name, _ in rows), default=0) + 2
    for name, text in rows:
        for line in beside(name, text, column, console.width):
            shown = Text(line)
            shown.stylize("bold", 0, len(name) if line.startswith(name) else 0)
            console.print(shown, soft_wrap=True)


def show_json(value: Any) -> None:
    """Prints JSON alone."""
    print(json_text(value))


def present(table: Table, tree: Any, *, as_json: bool) -> None:
    """Prints a result as a table or as JSON alone."""
    if as_json:
        show_json(tree)
    else:
        show(table)


def drawn(tables: Sequence[Table], *, to_terminal: bool) -> str:
    """Returns tables drawn as wide as the terminal, or as a pipe may be."""
    console = _console() if to_terminal else Console(file=io.StringIO(), width=_PIPE_WIDTH)
    with console.capture() as captured:
        for table in tables:
            console.print(to_rich(table, console), crop=False)
    return captured.get()


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    return console


def save(path: Path, text: str, what: str) -> None:
    """Writes a result to a file; where that can't be, it is printed, so that it is not lost.

    Raises:
        FileError: it could not be written.
    """
    try:
        write_text(path, text, what)
    except FileError:
        sys.stdout.write(text)
        raise
    tell(f"{what} written to {path}")
