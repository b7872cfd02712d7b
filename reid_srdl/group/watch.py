"""Signs of life: how a process that shares a piece of work notices that another one is gone.

Each process counts up a number of its own in torch's store once a second and looks at the others'.
One that stands still for the patience is lost, whatever became of it. Time in which the looking
process stood still itself, as on a machine that was suspended, says nothing of the others.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from typing import Any

from reid_srdl.errors import UserError

AGAIN = "most likely another process was lost: see its own messages, and start again"
_POLL = 0.02
_LONGEST = 3.0  # intervals that one look counts for at most: whoever looks so late stood still
_SIGNS = 4  # signs of life in whose time whoever lives gives at least one
_FAREWELL = 5.0  # seconds that the one who reports an error waits for the others to end


class LostError(UserError):
    """Another process is gone; every process that notices reports it."""


class Watch(threading.Thread):
    """Gives this process's signs of life, and looks for the others'.

    When another is lost it interrupts the main thread by SIGTERM, whose handler is to call
    `interrupted`.

    Args:
        store: torch's store, which all processes see.
        rank, size: which of how many processes this is.
        patience: seconds without a sign of life after which another one is lost.
        kept: what is kept where one is lost.
    """

    def __init__(self, store: Any, rank: int, size: int, patience: float, kept: str) -> None:
        super().__init__(daemon=True)
        self._store = store.clone()
        self._rank, self._size, self._patience, self._kept = rank, size, patience, kept
        self._interval = min(1.0, patience / 10)
        self._stopped = threading.Event()
        self._failed: dict[str, Any] | None = None
        self._lost: LostError | None = None
        self._noticed = False
        self._sign(0)
        self._store.add("joined", 1)

    def run(self) -> None:
        """Looks until stopped, or until another process has failed or was lost."""
        seen = {rank: ("", 0.0) for rank in range(self._size) if rank != self._rank}
        interval, before = self._interval, time.monotonic()
        tick = 0
        while not self._stopped.wait(interval):
            tick += 1
            now = time.monotonic()
            passed, before = min(now - before, _LONGEST * interval), now
            try:
                self._sign(tick)
                self._look(seen, passed)
            except RuntimeError as error:
                if not self._stopped.is_set():
                    self.losing(f"the store is gone ({first_line(error)})")
            if self._failed or self._lost:
                break
        if not self._stopped.is_set() and not self._noticed:
            # The main thread may be at work for long: its handler of this signal raises.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def check(self) -> None:
        """Raises where another process has failed or was lost.

        Raises:
            LostError: it was lost.
            SystemExit: it has failed, and reports why.
        """
        if self._failed is None and self._lost is None:
            return
        self._noticed = True
        if self._lost is not None:
            raise self._lost
        assert self._failed is not None
        with contextlib.suppress(RuntimeError):
            self._store.add("ended", 1)
        raise SystemExit(self._failed["status"])

    def interrupted(self) -> None:
        """Raises what a signal to end means; nothing where this process is ending already."""
        if self._noticed:
            return
        self.check()
        self._noticed = True
        raise LostError(
            f"process {self._rank} of {self._size} was told to end before the work was done",
            AGAIN,
        )

    def tell(self, what: str, status: int) -> bool:
        """Tells the others to end with ``status``; says whether this process is the first to."""
        self._noticed = True
        own = json.dumps({"rank": self._rank, "what": what, "status": status})
        try:
            first = self._store.compare_set("failed", "", own).decode()
            if first != own:
                self._store.add("ended", 1)
                return False
            until = time.monotonic() + _FAREWELL
            while self._store.add("ended", 0) < self._size - 1 and time.monotonic() < until:
                time.sleep(_POLL)
        except RuntimeError:  # the store went first; then each reports its own
            pass
        return True

    def losing(self, why: str) -> LostError:
        """Notes that another process was lost, and returns the error that says so."""
        if self._lost is None:
            self._lost = LostError(
                f"process {self._rank} of {self._size} cannot go on: {why}",
                f"{self._kept}; see the lost process's own messages, and start again",
            )
        return self._lost

    def silent(self) -> list[int]:
        """Waits for a few signs of life, and returns the processes that gave none."""
        before = self._signs()
        time.sleep(_SIGNS * self._interval)
        return [rank for rank, sign in self._signs().items() if sign == before[rank]]

    def _signs(self) -> dict[int, str]:
        others = {rank: f"alive/{rank}" for rank in range(self._size) if rank != self._rank}
        return {
            rank: self._store.get(key).decode() if self._store.check([key]) else ""
            for rank, key in others.items()
        }

    def stop(self) -> None:
        """Ends the signs of life."""
        self._stopped.set()

    def _sign(self, tick: int) -> None:
        self._store.set(f"alive/{self._rank}", str(tick))

    def _look(self, seen: dict[int, tuple[str, float]], passed: float) -> None:
        """Looks at the others' signs; ``seen`` holds the last one of each and its age."""
        if self._store.check(["failed"]):
            self._failed = json.loads(self._store.get("failed"))
            return
        signs = self._signs()
        for rank, (last, age) in seen.items():
            sign = signs[rank]
            seen[rank] = (sign, 0.0 if sign != last else age + passed)
            if seen[rank][1] > self._patience:
                self.losing(f"process {rank} gave no sign of life for {self._patience:.0f} seconds")


def first_line(error: BaseException) -> str:
    """Returns an error's first line, or its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
