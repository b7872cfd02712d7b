"""The learning rate as a function of the fraction of a schedule that is done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """The part of a schedule that a phase runs through, in epochs.

    A stage-complete phase spans its own epochs, ``Span(0, epochs)`` (SRDL paper, Eq 4); a
    stage-incomplete one spans a part of the whole training's M epochs (Eq 3).
    """

    start: int
    total: int


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
        rising = self.warmup * total_steps
        return rate * (0.1 + 0.9 * step / rising) if step < rising else rate
