"""Errors that a user can mend: what is wrong, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input, told in two lines.

    Args:
        what: one line that names the file, key or value and says what is wrong with it.
        hint: one line that says what to do.
        usage: True for a wrong call (exit status 2), False for a failure (exit status 1).
    """

    def __init__(self, what: str, hint: str, *, usage: bool = False) -> None:
        super().__init__(f"{what}\n{hint}")
        self.what = what
        self.hint = hint
        self.exit_status = 2 if usage else 1


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ``"did you mean 'x'?"`` for the nearest known word, else the list of them all.

    >>> did_you_mean("temprature", ["temperature", "restart"])
    "did you mean 'temperature'?"
    """
    candidates = sorted(known)
    nearest = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    if nearest:
        return f"did you mean {nearest[0]!r}?"
    return f"choose from: {', '.join(candidates)}"
