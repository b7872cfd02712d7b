"""Notices that training has become much slower than it began, as on a machine that others fill."""

from __future__ import annotations

_SHARE = 0.25  # of the first minute's rate


class Pace:
    """Compares the rate of each minute of a phase with that of its first.

    Args:
        minute: seconds of each look.
    """

    def __init__(self, minute: float = 60.0) -> None:
        self._minute = minute
        self._since: float | None = None
        self._images = 0
        self._first: float | None = None
        self._told = False

    def slowed(self, images: int, now: float) -> str | None:
        """Takes in a step; returns a warning, once, where a minute was far below the first.

        Args:
            images: of the step.
            now: seconds of a clock that never goes back.
        """
        if self._since is None:  # the first step also warms up
            self._since = now
            return None
        self._images += images
        if now - self._since < self._minute:
            return None
        rate = self._images / (now - self._since)
        self._since, self._images = now, 0
        if self._first is None:
            self._first = rate
        if self._told or rate >= _SHARE * self._first:
            return None
        self._told = True
        return (
            f"{rate:.3g} images/s, and {self._first:.3g} in the first minute: other processes may "
            "fill this machine. End them, or stop this run (Ctrl-C) and go on later (--resume); "
            "a new run takes the threads that are fastest at its start"
        )
