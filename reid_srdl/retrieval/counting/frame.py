"""The frame in which fast float32 products are taken: shifted and scaled features.

Distances do not change when all features move together, but rounding errors grow with the features'
length. So a fast product sees p(x) = fl32(scale (x - centre)), with one centre in the gallery's
midst and scale a power of two (an exact factor, other than 1 only for features so large or small
that float32 products of them would overflow or underflow).

Bound. With u = 2^-24, and centre a float32 vector, the float32 subtraction rounds once, so each
component obeys |p_d - scale (x_d - centre_d)| <= u |p_d| + 2^-148 (the last term for underflow),
and

    ||p(x) - scale (x - centre)|| <= u ||p(x)|| + 2^-148 sqrt(D) =: eta(x),
    | ||p(q) - p(g)|| - scale sqrt(d(q, g)) | <= eta(q) + eta(g)        (triangle inequality).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic.parallel import each
from reid_srdl.retrieval.rows import Rows

_SAMPLE = 256  # gallery rows that show where the centre is
_COMFORTABLE = 2.0**20  # features between 1 / this and this need no scaling
_NORM_VALUES = 1 << 17


@dataclass(frozen=True)
class Frame:
    """p(x) = fl32(scale (x - centre)); centre is kept multiplied by scale, D float32."""

    scale: float
    scaled_centre: NDArray[np.float32]

    def place(
        self, x: NDArray[np.float32], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Returns p(x) for the N x D rows ``x``, in a new array or in ``out``."""
        if self.scale == 1.0:
            return np.subtract(x, self.scaled_centre, out=out)
        scaled = np.multiply(x, np.float32(self.scale), out=out)
        scaled -= self.scaled_centre
        return scaled


def frame_for(queries: Rows, gallery: Rows) -> Frame:
    """Chooses the frame of an evaluation; any choice gives the same ranks, this one fast."""
    largest = max(queries.largest(), gallery.largest())
    scale = 1.0
    if largest and not 1 / _COMFORTABLE <= largest <= _COMFORTABLE:
        scale = 2.0 ** -min(max(math.frexp(largest)[1], -126), 126)
    sample = np.linspace(0, len(gallery) - 1, min(_SAMPLE, len(gallery)), dtype=np.int64)
    scaled = gallery.take(sample) * np.float32(scale)
    return Frame(scale, _middle(scaled).astype(np.float32))


def _middle(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the mean of the half of N x D rows that lie nearest to all rows' mean.

    A few rows far off would draw the mean away from all others.
    """
    mean: NDArray[np.float64] = x.mean(axis=0, dtype=np.float64)
    apart = x - mean.astype(np.float32)
    far = np.einsum("nd,nd->n", apart, apart)
    half = np.argsort(far, kind="stable")[: -(-len(x) // 2)]
    middle: NDArray[np.float64] = x[half].mean(axis=0, dtype=np.float64)
    return middle


def placed_rows(frame: Frame, rows: Rows) -> NDArray[np.float32]:
    """Returns p(x) for all rows, N x D."""
    placed = np.empty((len(rows), rows.dim), np.float32)

    def place(step: tuple[int, int]) -> None:
        placed[slice(*step)] = frame.place(rows.block(*step))

    list(each(place, rows.steps()))
    return placed


def squared_norms(p: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the squared norms of N x D rows, in float64 arithmetic (any order of summation)."""
    out, step = np.empty(len(p), np.float64), max(1, _NORM_VALUES // p.shape[1])
    for start in range(0, len(p), step):
        wide = p[start : start + step].astype(np.float64)
        np.vecdot(wide, wide, out=out[start : start + step])
    return out
