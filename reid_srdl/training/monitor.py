"""What a trainer reports while it works; displays and logs listen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from reid_srdl.records.cost import Best, Mark


class NetworkRow(BaseModel):
    """One network's epoch.

    Attributes:
        terms: each term of its loss, averaged over the epoch.
        accuracy: share of training images whose largest logit was their label's, in training mode;
            None where the phase computes no logits. Hidden labels count: it is only measured.
        ce: cross-entropy of the logits with the labels that are shown, in nats, whatever the loss;
            None likewise.
        marks: what is wrong with the network that the phase ends with, see `training.marks`.
        validation: mAP (re-id) or top-1 accuracy on the validation part; None where the epoch was
            not judged.
        gradients: mean over the epoch's steps of the norm of each layer's gradient, before it is
            clipped; None where they are not watched.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    terms: dict[str, float]
    accuracy: float | None
    ce: float | None = None
    marks: tuple[Mark, ...] = ()
    validation: float | None = None
    gradients: dict[str, float] | None = None

    @property
    def loss(self) -> float:
        """The sum of the terms."""
        return sum(self.terms.values())


class EpochRow(BaseModel):
    """One epoch of one phase, as it stands in ``metrics.jsonl``.

    Attributes:
        phase: the phase's name.
        epoch: epochs of the phase that are done, from 1.
        epochs: epochs of the phase in all.
        networks: what came of each network, by name.
        lr: the learning rate of the epoch's last step.
        images: images trained on.
        seconds: wall time of the epoch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    phase: str
    epoch: int
    epochs: int
    networks: dict[str, NetworkRow]
    lr: float
    images: int
    seconds: float

    @property
    def images_per_second(self) -> float:
        """The epoch's rate."""
        return self.images / self.seconds


def best_epoch(rows: Iterable[EpochRow], network: str) -> Best | None:
    """Returns the epoch that did best on the validation part, of equal ones the first.

    Args:
        rows: epochs of a phase, in order.
        network: its name in the phase.
    """
    best: Best | None = None
    for row in rows:
        score = row.networks[network].validation
        if score is not None and (best is None or score > best.score):
            best = Best(epoch=row.epoch, score=score)
    return best


@dataclass(frozen=True)
class Progress:
    """Where a phase stands inside an epoch, or inside an extraction, which has no networks.

    Attributes:
        phase, epoch, epochs: as in ``EpochRow``.
        step, steps: batches of the epoch that are done, and of how many.
        images_per_second: their rate, since this process began with the epoch.
        networks, lr: as in ``EpochRow``, so far.
    """

    phase: str
    epoch: int
    epochs: int
    step: int
    steps: int
    images_per_second: float
    networks: Mapping[str, NetworkRow] | None = None
    lr: float | None = None

    @property
    def share(self) -> float:
        """The share of the phase that is done, 0 to 1."""
        return (self.epoch - 1 + self.step / max(self.steps, 1)) / self.epochs


class Monitor(Protocol):
    """Listens to a trainer. Every call returns at once and changes nothing."""

    def phase_opened(self, name: str, share: float, rows: list[EpochRow]) -> None:
        """A phase begins or goes on.

        Args:
            name: the phase's.
            share: how much of it an earlier process did, 0 to 1: it is read back.
            rows: the epochs that are done.
        """

    def progressed(self, progress: Progress) -> None:
        """Some steps are done; called about twice a second."""

    def epoch_finished(self, row: EpochRow) -> None:
        """An epoch is done and its checkpoint is on the disk."""

    def warned(self, line: str) -> None:
        """Something went otherwise than it should, and the training goes on."""


class Monitors:
    """Several monitors as one."""

    def __init__(self, *monitors: Monitor) -> None:
        self._monitors = monitors

    def phase_opened(self, name: str, share: float, rows: list[EpochRow]) -> None:
        for monitor in self._monitors:
            monitor.phase_opened(name, share, rows)

    def progressed(self, progress: Progress) -> None:
        for monitor in self._monitors:
            monitor.progressed(progress)

    def epoch_finished(self, row: EpochRow) -> None:
        for monitor in self._monitors:
            monitor.epoch_finished(row)

    def warned(self, line: str) -> None:
        for monitor in self._monitors:
            monitor.warned(line)
