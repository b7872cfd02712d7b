"""What a trainer tells while it works; displays and logs listen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, ConfigDict


class EpochRow(BaseModel):
    """One epoch of one phase, as it stands in ``metrics.jsonl``.

    Attributes:
        phase: the phase's name.
        epoch: epochs of the phase that are done, from 1.
        epochs: epochs of the phase in all.
        loss: the sum of the terms, averaged over the epoch.
        terms: each term of the loss, averaged over the epoch.
        accuracy: share of training images whose largest logit was their label's, in training mode.
        lr: the learning rate of the epoch's last step.
        seconds: wall time of the epoch.
        images: images trained on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    phase: str
    epoch: int
    epochs: int
    loss: float
    terms: dict[str, float]
    accuracy: float
    lr: float
    seconds: float
    images: int


@dataclass(frozen=True)
class Progress:
    """Where a phase stands inside an epoch (or an extraction, whose loss is None).

    Attributes:
        phase, epoch, epochs: as in ``EpochRow``.
        step, steps: batches that are done, and of how many.
        seconds: time that these took.
        images_per_second: their rate.
        loss, accuracy, lr: as in ``EpochRow``, so far.
    """

    phase: str
    epoch: int
    epochs: int
    step: int
    steps: int
    seconds: float
    images_per_second: float
    loss: float | None = None
    accuracy: float | None = None
    lr: float | None = None


class Monitor(Protocol):
    """Listens to a trainer. Every call returns at once and changes nothing."""

    def phase_opened(self, name: str, kind: str, rows: list[EpochRow]) -> None:
        """A phase begins or goes on; ``rows`` are the epochs that an earlier process did."""

    def progressed(self, progress: Progress) -> None:
        """Some steps are done; called about twice a second."""

    def epoch_finished(self, row: EpochRow) -> None:
        """An epoch is done and its checkpoint is on the disk."""


class Monitors:
    """Several monitors as one."""

    def __init__(self, *monitors: Monitor) -> None:
        self._monitors = monitors

    def phase_opened(self, name: str, kind: str, rows: list[EpochRow]) -> None:
        for monitor in self._monitors:
            monitor.phase_opened(name, kind, rows)

    def progressed(self, progress: Progress) -> None:
        for monitor in self._monitors:
            monitor.progressed(progress)

    def epoch_finished(self, row: EpochRow) -> None:
        for monitor in self._monitors:
            monitor.epoch_finished(row)
