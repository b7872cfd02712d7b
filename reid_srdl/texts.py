"""Texts that others wrote, shown without doing harm."""

from __future__ import annotations

import json
import re
from typing import Any

# What moves the cursor, hides or turns text around, or is no character: C0, DEL, C1, marks of
# direction, separators of lines, tags, and halves of surrogate pairs (names that are not UTF-8).
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_UNSAFE_IN_JSON = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", ""))
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def plain(text: str) -> str:
    r"""Returns a text in one line, of characters that a terminal shows and does not obey.

    A byte of a file's name that is not UTF-8 is written as that byte.

    >>> plain("a\x1b[31mb\nhint: c")
    'a\\x1b[31mb\\nhint: c'
    """
    return _UNSAFE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if 0xDC80 <= ord(character) <= 0xDCFF:
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def csv_cell(value: Any) -> Any:
    """Returns a value that a spreadsheet takes for no formula; numbers stay what they are.

    >>> csv_cell("=1+1"), csv_cell("-0.5"), csv_cell(-0.5)
    ("'=1+1", '-0.5', -0.5)
    """
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "-"  # a dash alone stands for a missing value
    return True


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """Returns JSON with readable letters, in which what ``plain`` escapes is escaped as JSON."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _UNSAFE_IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], text).replace(
        "\x7f", "\\u007f"
    )


def shown(value: Any, most: int = 60) -> str:
    """Returns a value as an error message repeats it: in one line, shortened in its middle."""
    try:
        text = plain(value if isinstance(value, str) else repr(value))
    except (ValueError, RecursionError):  # an integer of thousands of digits; a list in itself
        return f"a {type(value).__name__} too large to show"
    half = (most - 3) // 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


def bytes_told(size: int) -> str:
    """Returns a size for people.

    >>> bytes_told(0), bytes_told(2048), bytes_told(3 * 2**30)
    ('0 B', '2.0 KiB', '3.0 GiB')
    """
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def sizes_told(needed: int, free: int) -> tuple[str, str]:
    """Returns two sizes for people, to the byte where they would look the same.

    >>> sizes_told(5 * 2**20, 1000), sizes_told(2**20 + 1, 2**20)
    (('5.0 MiB', '1000 B'), ('1,048,577 B', '1,048,576 B'))
    """
    told = bytes_told(needed), bytes_told(free)
    return told if told[0] != told[1] else (f"{needed:,} B", f"{free:,} B")
