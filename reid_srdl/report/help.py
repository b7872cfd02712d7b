"""The help of a command: options in groups, and no word cut at any width."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterator, Mapping, Sequence

from reid_srdl.report.wrapping import beside, wrapped

_WIDEST = 100  # columns; longer lines are hard to read
_WIDEST_LEFT = 26

Rows = Sequence[tuple[str, str]]  # a name and what it does


def help_text(usage: str, about: str, groups: Mapping[str, Rows], examples: str) -> str:
    """Returns the help, as wide as the terminal and at most 100 columns.

    Args:
        usage: how the command is called.
        about: what it does, in paragraphs.
        groups: arguments, options and commands under their headings.
        examples: with three blanks, a bar and three blanks between them.
    """
    width = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
    lines = [*wrapped(" ".join(usage.split()), width), "", *_paragraphs(about, width)]
    for heading, rows in groups.items():
        column = min(max(len(left) for left, _ in rows), _WIDEST_LEFT) + 4
        lines.append(heading)
        for left, right in rows:
            lines += beside(f"  {left}", right, column, width)
        lines.append("")
    for example in examples.split("   |   ") if examples else ():
        lines += wrapped(" ".join(example.split()), width)
    return "\n".join(lines).rstrip()


def first_paragraph(text: str) -> str:
    """Returns the first paragraph of a docstring, in one line."""
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())


def _paragraphs(text: str, width: int) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        yield from wrapped(" ".join(paragraph.split()), width)
        yield ""
