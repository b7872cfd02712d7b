"""Means over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Measure:
    """A number over n runs.

    Attributes:
        mean: the mean.
        sd: sample standard deviation (divisor n - 1); None for a single run, or where a spread
            cannot be told from the runs.
        n: number of runs.
    """

    mean: float
    sd: float | None
    n: int


def measure(values: Sequence[float]) -> Measure:
    """Returns mean and sample standard deviation of ``values``.

    Raises:
        ValueError: there are no values.

    >>> measure([0.25, 0.75]).mean
    0.5
    """
    if not values:
        raise ValueError("no values to average")
    array = np.asarray(values, dtype=np.float64)
    sd = float(array.std(ddof=1)) if len(array) > 1 else None
    return Measure(float(array.mean()), sd, len(array))


def paired_gain(ours: Sequence[float], baseline: Sequence[float]) -> Measure:
    """Returns the mean difference ``ours - baseline`` of runs that are paired by seed.

    Raises:
        ValueError: the two differ in length, or are empty.
    """
    return measure([a - b for a, b in zip(ours, baseline, strict=True)])


def unpaired_gain(ours: Measure, baseline: Measure) -> Measure:
    """Returns the difference of two means; no spread is claimed, and n is the smaller number."""
    return Measure(ours.mean - baseline.mean, None, min(ours.n, baseline.n))
