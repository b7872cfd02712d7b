"""The learning rate as a function of the fraction of a schedule that is done."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Span:
    """The part of a schedule that a phase runs through, in epochs.

    A stage-complete phase spans its own epochs, ``Span(0, epochs)`` (SRDL paper, Eq 4); a
    stage-incomplete one spans a part of the whole training's M epochs (Eq 3).
    """

    start: int
    total: int


class Schedule(Protocol):
    """A learning rate over a schedule's steps.

    Attributes:
        lr: epsilon_0, the initial rate, once warmed up.
    """

    @property
    def lr(self) -> float: ...

    def at(self, step: int, total_steps: int) -> float:
        """Returns epsilon_t for a step counted from 0."""
        ...


@dataclass(frozen=True)
class StepDecay:
    """f_step(t, M): the rate falls by ``gamma`` at each milestone (SRDL paper, Eq 3 and 4).

    Attributes:
        lr: epsilon_0, the initial rate.
        milestones: fractions of the schedule's steps, so that odd M decay inside an epoch.
        gamma: the factor at each milestone.
        warmup: fraction of the schedule's steps in which the rate rises, linearly, from a tenth of
            what it would be; 0: none.
    """

    lr: float
    milestones: tuple[float, ...] = (0.5, 0.75)
    gamma: float = 0.1
    warmup: float = 0.0

    def at(self, step: int, total_steps: int) -> float:
        """Returns epsilon_t for a step counted from 0.

        >>> decay = StepDecay(0.1)
        >>> [round(decay.at(epoch, 100), 6) for epoch in (0, 49, 50, 74, 75)]
        [0.1, 0.1, 0.01, 0.01, 0.001]
        >>> [round(StepDecay(0.1, warmup=0.2).at(step, 100), 6) for step in (0, 10, 20)]
        [0.01, 0.055, 0.1]
        """
        passed = sum(step >= milestone * total_steps - 1e-9 for milestone in self.milestones)
        rate = self.lr * self.gamma**passed
        return _warmed(rate, step, self.warmup * total_steps)


@dataclass(frozen=True)
class Cosine:
    """epsilon_t = epsilon_0 (1 + cos(pi t / T)) / 2 (Loshchilov and Hutter 2017, Eq 5, one cycle).

    Attributes:
        lr: epsilon_0, the initial rate.
        warmup: fraction of the schedule's steps in which the rate rises, linearly, from a tenth of
            what it would be; 0: none.
    """

    lr: float
    warmup: float = 0.0

    def at(self, step: int, total_steps: int) -> float:
        """Returns epsilon_t for a step counted from 0.

        >>> [round(Cosine(0.1).at(step, 100), 6) for step in (0, 25, 50, 75, 99)]
        [0.1, 0.085355, 0.05, 0.014645, 2.5e-05]
        """
        rate = self.lr * (1 + math.cos(math.pi * step / total_steps)) / 2
        return _warmed(rate, step, self.warmup * total_steps)


def _warmed(rate: float, step: int, rising: float) -> float:
    """Returns the rate of a step, of which the first ``rising`` ones warm up."""
    return rate * (0.1 + 0.9 * step / rising) if step < rising else rate
