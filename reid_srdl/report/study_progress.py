"""What a person sees while a study runs: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.status import Status

from reid_srdl.records.studies.plan import RunPlan
from reid_srdl.records.studies.progress import Outcome, Running
from reid_srdl.texts import plain

_EVERY = 60.0  # seconds between two plain lines
_LIVE = 2.0  # seconds between two looks at the runs' epochs


class StudyDisplay:
    """Tells which run of how many works, the time so far and about how much is left.

    The estimate takes the seconds of an epoch from runs of the same data set and network in this
    call; as long as there are none for some of the runs left, it says 'more than'.

    Args:
        title: stands before the lines.
        jobs: runs at once; 0: nobody knows, and so neither how much is left.
    """

    def __init__(self, title: str, jobs: int) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._title, self._jobs = title, jobs
        self._began = self._looked = time.monotonic()
        self._total = self._over = 0
        self._left: dict[str, RunPlan] = {}
        self._done: dict[str, int] = {}  # epochs of each run that works
        self._epochs: dict[str, int] = {}  # of them in all
        self._pace: dict[tuple[str, str], float] = {}  # seconds of an epoch, by data and network
        self._status: Status | None = None

    def __enter__(self) -> StudyDisplay:
        if self._console.is_terminal:
            self._status = self._console.status("")
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def planned(self, done: int, total: int) -> None:
        """Says at the first of them what it takes its time for."""
        line = f"{self._title}: planning {total} kinds of runs before any begins"
        if self._status is not None:
            self._status.update(f"{line}: {done} of {total}")
        elif done == 0:
            self._say(line)

    def begins(self, runs: Sequence[RunPlan], there: int) -> None:
        """Says how many runs there are."""
        self._total, self._over = len(runs) + there, there
        self._left = {run.name: run for run in runs}
        at_once = f", {self._jobs} at once" if self._jobs > 1 else ""
        count = f"{self._total} run{'s' if self._total != 1 else ''}"
        self._say(f"{self._title}: {count}, {there} finished before{at_once}")

    def queued(self, runs: Sequence[str], jobs: Sequence[str], after: Sequence[str]) -> None:
        """Prints a line."""
        waiting = f", after {_some(after)}" if after else ""
        self._say(f"{_some(runs)}: queued as {_some(jobs)}{waiting}")

    def started(self, run: RunPlan) -> None:
        """Prints a line."""
        self._say(f"{run.name}: started")

    def ended(self, outcome: Outcome, process: Running | None = None) -> None:
        """Prints a line with the time so far and what is left."""
        if process is not None:
            self._learn(process)
        self._over += 1
        self._left.pop(outcome.run.name, None)
        told = f"failed: {outcome.error}" if outcome.state == "failed" else outcome.state
        self._say(f"[{self._over}/{self._total}] {outcome.run.name}: {told}; {self._times()}")

    def works(self, running: Sequence[Running]) -> None:
        """Tells now and then where the running runs stand."""
        now = time.monotonic()
        if now - self._looked < (_LIVE if self._status is not None else _EVERY):
            return
        self._looked = now
        told = []
        for process in running:
            self._learn(process)
            told.append(f"{process.name} epoch {self._done[process.name]}/{process.epochs}")
        line = f"{self._over} of {self._total} runs over; {', '.join(told)}; {self._times()}"
        if self._status is None:
            self._say(line)
        else:
            self._status.update(line)

    def _learn(self, process: Running) -> None:
        """Notes how far a run is and how long its epochs take."""
        seconds = process.epoch_seconds()
        self._done[process.name], self._epochs[process.name] = len(seconds), process.epochs
        if seconds:
            self._pace[process.dataset, process.network] = sum(seconds) / len(seconds)

    def _times(self) -> str:
        elapsed = f"elapsed {_told(time.monotonic() - self._began)}"
        left, unknown = 0.0, False
        for name, run in self._left.items():
            pace = self._pace.get((run.config.data.name, run.config.model.name))
            unknown |= pace is None
            epochs = self._epochs.get(name, run.config.train.epochs)
            left += (pace or 0.0) * max(epochs - self._done.get(name, 0), 0)
        if left == 0 or self._jobs == 0:
            return elapsed
        return f"{elapsed}, left {'more than' if unknown else 'about'} {_told(left / self._jobs)}"

    def _say(self, line: str) -> None:
        self._console.print(plain(line), soft_wrap=True, markup=False)


def _some(names: Sequence[str]) -> str:
    """Returns names in a line, of many the first and the last."""
    return ", ".join(names) if len(names) < 4 else f"{names[0]} to {names[-1]} ({len(names)})"


def _told(seconds: float) -> datetime.timedelta:
    return datetime.timedelta(seconds=round(seconds))
