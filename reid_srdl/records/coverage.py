"""What the 95 % interval of a comparison really covers where identities are few.

Bootstrap intervals are too narrow for small samples: a sample's own spread, and its tails, fall
short of the population's. How far depends on the data, so the table is an example, not a law.
"""

from __future__ import annotations

import numpy as np

ENOUGH = 50  # identities from which on nothing is said

# Identities: share of intervals (95 %, BCa, identities drawn with all their queries) that held the
# truth. Made by tools/interval_coverage: 4,000 draws each, 999 resamples, from a population of
# 1,500 simulated people; the standard error of each share is below 0.006.
COVERAGE: dict[int, float] = {10: 0.833, 20: 0.882, 30: 0.901, 50: 0.920, 100: 0.940}


def coverage(identities: int) -> float:
    """Returns the true coverage of a 95 % interval, interpolated; at most the table's last."""
    known = sorted(COVERAGE)
    return float(np.interp(identities, known, [COVERAGE[number] for number in known]))


def coverage_note(identities: int) -> str | None:
    """Says how often the interval holds the truth; None where identities are many enough.

    >>> coverage_note(50) is None
    True
    """
    if identities >= ENOUGH:
        return None
    about = "at most" if identities < min(COVERAGE) else "about"
    return (
        f"few identities: with {identities}, the true coverage of a 95 % interval is {about} "
        f"{100 * coverage(identities):.0f} % (simulated): take it for wider"
    )
