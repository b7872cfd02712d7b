"""How far rates may be off: the bootstrap over identities.

Pairs of one person's queries are no independent draws, so identities are drawn as wholes, with all
pairs of their queries (the cluster bootstrap, Davison and Hinkley, Bootstrap Methods and their
Application, 1997, section 3.8). Each draw finds the threshold of its own others. Intervals are the
draws' percentiles. Draws count by groups of distances (see `rates`), which are so fine that this
moves a false positive rate by 2 % of itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_srdl.seeds import generator
from reid_srdl.verification.rates import Rates

_BATCH = 250  # draws at once


@dataclass(frozen=True)
class Interval:
    """Intervals of the true positive rate, and of the threshold, at one false positive rate."""

    tpr: tuple[float, float]
    threshold: tuple[float, float]


def intervals(
    rates: Rates, asked: list[float], *, resamples: int, confidence: float, seed: int
) -> list[Interval] | None:
    """Returns an interval for each false positive rate; None where there is one identity only.

    Args:
        rates: as counted.
        asked: the false positive rates.
        resamples: draws.
        confidence: from 0 to 1.
        seed: of the draws.
    """
    matches, others, last = rates.groups
    people = len(matches)
    if people < 2:
        return None
    rng = generator(seed, "verification")
    tprs, thresholds = [], []
    for start in range(0, resamples, _BATCH):
        size = min(_BATCH, resamples - start)
        drawn = rng.multinomial(people, np.full(people, 1 / people), size).astype(np.float64)
        true, false = (np.cumsum(drawn @ own, axis=1) for own in (matches, others))
        for rate in asked:
            within = (false <= rate * false[:, -1:]).sum(axis=1)  # groups wholly within
            found = np.take_along_axis(true, np.maximum(within - 1, 0)[:, None], 1)[:, 0]
            with np.errstate(invalid="ignore"):
                tprs.append(np.where(within, found, 0) / true[:, -1])
            thresholds.append(last[np.maximum(within - 1, 0)])
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    made = []
    for number in range(len(asked)):
        own = (np.concatenate(every[number :: len(asked)]) for every in (tprs, thresholds))
        low, high = (np.nanquantile(values, ends).tolist() for values in own)
        made.append(Interval(tuple(low), tuple(high)))
    return made
