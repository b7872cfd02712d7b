"""Keys that hold regular expressions."""

from __future__ import annotations

import re


def pattern(text: str | None) -> str | None:
    """Returns a regular expression as it is.

    Raises:
        ValueError: it is none.
    """
    if text is None:
        return None
    try:
        found = re.compile(text)
    except re.error as error:
        raise ValueError(f"not a pattern: {error.msg}") from None
    if found.search("") is not None:
        raise ValueError("a pattern that an empty text matches, too")
    return text
