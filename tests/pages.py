"""What the project's pages hold: titled code blocks, links, command lines, keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its title and its text."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Returns the fenced blocks of a page, in their order."""
    return [Block(*found.groups(default="")) for found in _FENCE.finditer(page.read_text())]


def prose(page: Path) -> str:
    """Returns a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def section(page: Path, heading: str) -> list[Block]:
    """Returns the blocks below a heading of the second level."""
    _, found, rest = page.read_text().partition(f"\n## {heading}\n")
    assert found, f"{page.name} has no section {heading!r}"
    return [Block(*one.groups(default="")) for one in _FENCE.finditer(rest.split("\n## ")[0])]
