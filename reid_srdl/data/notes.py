"""What is worth telling of a data set, and names as people can read them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing found: a line of text, and the files that it is about (all of them)."""

    text: str
    files: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The text with the first ten files, on one line."""
        return f"{self.text}: {first_ten(self.files)}" if self.files else self.text


def first_ten(names: Sequence[str]) -> str:
    """Names the first ten, and says how many more there are."""
    more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more


def say_files(names: Sequence[object]) -> str:
    """Counts files in words: "1 file", "2 files"."""
    return "1 file" if len(names) == 1 else f"{len(names):,} files"


def is_utf8(name: str) -> bool:
    r"""Tells whether a file's name can be written as text.

    >>> is_utf8("café.jpg"), is_utf8(os.fsdecode(b"caf\xff.jpg"))
    (True, False)
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(name: str) -> str:
    r"""Returns a file's name with bytes that are no text written as ``\xNN``.

    >>> print(printable(os.fsdecode(b"caf\xff.jpg")))
    caf\xff.jpg
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")
