"""Writes the page, and refuses one that is too large to be passed around."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.files import write_text
from reid_srdl.places import check_output
from reid_srdl.report.html.page import Section, render

LARGEST = 10 << 20


def check_page(path: Path) -> None:
    """Checks where the page is to be written, before the work that leads to it.

    Raises:
        UserError: its name does not end in .html, or nothing can be written there.
    """
    check_output(path, "the report")
    if path.suffix not in (".html", ".htm"):
        raise UserError(f"{path}: not a page by its name", "end it in .html", usage=True)


def write_page(
    path: Path, title: str, about: str, sections: Sequence[Section], *, large: bool = False
) -> None:
    """Renders and writes the page, whole or not at all.

    Raises:
        UserError: it has more than 10 MiB, and nobody asked for that.
        FileError: the operating system refuses.
    """
    text = render(title, about, sections)
    if len(text.encode("utf-8", "replace")) > LARGEST and not large:
        raise UserError(
            f"{path}: the report would have {len(text) / 2**20:.0f} MiB, more than 10",
            "show fewer rank lists (--lists N) or runs, or add --large",
        )
    write_text(path, text, "the report")
