"""Who is told of a run's progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reid_srdl.tasks.task import Piece
from reid_srdl.training.monitor import EpochRow, Monitor, Progress
from reid_srdl.training.phases import Phase


class Listener(Monitor, Protocol):
    """A monitor that is told of the plan and of the work around the training, too."""

    def planned(self, phases: Sequence[Phase], judging: Sequence[Piece] = ()) -> None:
        """These phases will be gone through, with their work, and then this evaluation."""

    def noted(self, line: str) -> None:
        """Something worth a line was found."""

    def steps(self, what: str, done: int, total: int) -> None:
        """Some of ``total`` pieces of ``what`` are done."""


class Silence:
    """A listener that shows nothing."""

    def planned(self, phases: Sequence[Phase], judging: Sequence[Piece] = ()) -> None: ...
    def phase_opened(self, name: str, share: float, rows: list[EpochRow]) -> None: ...
    def progressed(self, progress: Progress) -> None: ...
    def epoch_finished(self, row: EpochRow) -> None: ...
    def warned(self, line: str) -> None: ...
    def noted(self, line: str) -> None: ...
    def steps(self, what: str, done: int, total: int) -> None: ...
