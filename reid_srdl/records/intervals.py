"""How far the mean over seeds may be off: Student's t, and the paired t-test.

Seeds are independent draws of one training, so a mean over n of them has the standard error
s / sqrt(n), and n - 1 degrees of freedom (Student, The Probable Error of a Mean, 1908). Two methods
are compared by the differences of runs with one seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_srdl.records.statistics import Measure, measure

LEAST_SEEDS = 5  # that pair, before a test says anything: with fewer, intervals stand alone
NO_SPREAD = 1e-12  # differences of equal fractions differ by rounding


@dataclass(frozen=True)
class Estimate:
    """A mean over n runs and how far it may be off.

    Attributes:
        mean: the mean.
        sd: sample standard deviation (divisor n - 1); None for a single run.
        n: number of runs.
        low, high: the confidence interval of the mean; None for a single run, or where all runs are
            equal.
    """

    mean: float
    sd: float | None
    n: int
    low: float | None
    high: float | None


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Returns mean, deviation and Student's interval: mean -+ t(n-1) s / sqrt(n).

    Raises:
        ValueError: there are no values.
    """
    found = measure(values)
    low, high = interval(found, confidence) or (None, None)
    return Estimate(found.mean, found.sd, found.n, low, high)


def interval(found: Measure, confidence: float = 0.95) -> tuple[float, float] | None:
    """Returns Student's interval of a mean; None where no spread is known, or there is none.

    Equal values would give an interval of no width, as if the mean were known for certain.
    """
    if found.sd is None or found.sd < NO_SPREAD:
        return None
    from scipy.special import stdtrit

    t = float(stdtrit(found.n - 1, (1 + confidence) / 2))
    half = t * found.sd / np.sqrt(found.n)
    return found.mean - half, found.mean + half


def paired_p(ours: Sequence[float], baseline: Sequence[float]) -> float | None:
    """Returns the two-sided p-value of the paired t-test, runs being paired by seed.

    t = mean(d) / (s / sqrt(n)) of the n differences d, with n - 1 degrees of freedom.

    Returns:
        None where no test is possible: fewer than two pairs, or all differences equal.

    Raises:
        ValueError: the two differ in length.
    """
    differences = np.array([a - b for a, b in zip(ours, baseline, strict=True)], np.float64)
    if len(differences) < 2 or np.ptp(differences) < NO_SPREAD:
        return None
    from scipy.special import stdtr

    n = len(differences)
    t = differences.mean() / np.sqrt(differences.var(ddof=1) / n)
    return float(2 * stdtr(n - 1, -abs(t)))
