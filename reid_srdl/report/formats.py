"""Tables in the form that was asked for, on standard output or in a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reid_srdl.report.tables import Table


class Format(StrEnum):
    """How tables are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"

    @property
    def raw(self) -> bool:
        """Whether programs read it: plain values alone."""
        return self in (Format.JSON, Format.CSV)


def publish(
    tables: Sequence[Table],
    form: Format,
    output: Path | None,
    what: str,
    *,
    rows: Sequence[Table] | None = None,
    tree: Any = None,
) -> None:
    """Prints tables, or writes them to a file.

    Args:
        tables: for people.
        form: how they are written.
        output: the file; None: standard output.
        what: what they are, for messages.
        rows: what stands in CSV; None: the tables.
        tree: what stands in JSON; None: the tables.

    Raises:
        FileError: the file could not be written; they are printed then.
    """
    from reid_srdl.report import render  # rich and NumPy, which --help does not wait for
    from reid_srdl.report.say import drawn, save
    from reid_srdl.texts import json_text

    match form:
        case Format.JSON:
            text = render.to_json(tables) if tree is None else json_text(tree) + "\n"
        case Format.CSV:
            text = render.to_csv(tables if rows is None else rows)
        case Format.MARKDOWN:
            text = render.to_markdown(tables)
        case Format.LATEX:
            text = render.to_latex(tables)
        case Format.TABLE:
            text = drawn(tables, to_terminal=output is None)
    if output is None:
        sys.stdout.write(text)
    else:
        save(output, text, what)
