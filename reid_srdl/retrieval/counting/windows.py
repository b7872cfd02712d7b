"""Which float32 values decide a comparison, and which leave it to the definition.

A fast product returns v, an estimate of ||p(q) - p(g)||^2 - offset(q) with |error| <= E (`frame`
says what p is, each kernel what its offset and E are). A negative g is to be compared with a match
at the definition's distance t, i.e. with T = scale sqrt(t) in the frame. Write eps for the
definition's own relative error (of a square root: less than eps), eta = eta(q) + eta(g). Then

    g is surely closer   if  v < (T (1 - eps) - eta)^2 - offset - E     (and T (1 - eps) > eta),
    g is surely farther  if  v > (T (1 + eps) + eta)^2 - offset + E,

because the first makes sqrt(d(q, g)) < sqrt(t) (1 - eps) for the true distance d, and so the
computed d below t; the second likewise. Where only t - slack <= t <= t + slack is known, the first
takes the smaller and the second the larger of the two. What lies between is undecided. The other
way round, a pair whose estimate is v has by the definition a distance of

    at least (max(sqrt(v + offset - E) - eta, 0) (1 - eps) / scale)^2,
    at most  (   (sqrt(v + offset + E) + eta)    (1 + eps) / scale)^2.

The formulas are evaluated in float64; a slack of (D + 64) 2^-50 times the sum of the magnitudes
covers that, and windows are rounded outwards to float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic.exact import relative_error
from reid_srdl.retrieval.arithmetic.rounding import UNIT

_TINY = 2.0**-148

Float64s = NDArray[np.float64]
Float32s = NDArray[np.float32]


@dataclass(frozen=True)
class Reach:
    """What is to be known of the two sides of M comparisons, in the frame.

    Attributes:
        dim: number of dimensions, D.
        scale: the frame's scale.
        query_norms: ||p(q)|| of the M queries.
        gallery_norms: the largest ||p(g)|| of the gallery rows in question, or M of them.
        offset: the kernel's offsets of the M queries.
        error: the kernel's E for each.
    """

    dim: int
    scale: float
    query_norms: Float64s
    gallery_norms: Float64s | float
    offset: Float64s
    error: Float64s

    @property
    def norms(self) -> Float64s:
        """Sums of the two sides' norms, M."""
        return self.query_norms + self.gallery_norms

    @property
    def moved(self) -> Float64s:
        """M values of eta: how much the frame can change a pair's distance."""
        eta: Float64s = 1.0001 * UNIT * self.norms + 2 * _TINY * np.sqrt(self.dim)
        return eta

    def margin(self, squares: Float64s) -> Float64s:
        """Returns E with float64's roundings, where squared distances are of this size."""
        magnitude = squares + np.abs(self.offset) + self.error + self.norms**2
        margin: Float64s = self.error + (self.dim + 64) * 2.0**-50 * magnitude
        return margin


def window(
    distances: Float64s, reach: Reach, slack: Float64s | float = 0.0
) -> tuple[Float32s, Float32s]:
    """Returns (low, high) for M matches: v < low is surely closer, v > high surely farther.

    Args:
        distances: M distances t by the definition, or estimates of them.
        reach: the two sides, see above.
        slack: the definition's distances are within distances +- slack.
    """
    eps = relative_error(reach.dim)
    eta = reach.moved
    inner = reach.scale * np.sqrt(np.maximum(distances - slack, 0)) * (1 - eps) - eta
    outer = reach.scale * np.sqrt(distances + slack) * (1 + eps) + eta
    margin = reach.margin(outer**2)
    low = np.where(inner > 0, inner**2 - reach.offset - margin, -np.inf)
    high = outer**2 - reach.offset + margin
    return _round(low, -np.inf), _round(high, np.inf)


def limits(values: Float32s, reach: Reach) -> tuple[Float64s, Float64s]:
    """Returns what the definition's distances of M pairs with estimates v are: (least, most)."""
    eps, eta = relative_error(reach.dim), reach.moved
    squares = values.astype(np.float64) + reach.offset
    margin = reach.margin(np.abs(squares))
    inner = np.sqrt(np.maximum(squares - margin, 0)) - eta
    outer = np.sqrt(np.maximum(squares + margin, 0)) + eta
    least = (np.maximum(inner, 0) * ((1 - eps) / reach.scale)) ** 2
    return least, (outer * ((1 + eps) / reach.scale)) ** 2


def _round(x: Float64s, towards: float) -> Float32s:
    """Rounds to float32 in one direction (by one unit too far, which does no harm)."""
    with np.errstate(over="ignore"):
        return np.nextafter(x.astype(np.float32), np.float32(towards), dtype=np.float32)
