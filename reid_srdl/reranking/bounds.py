"""Lower and upper bounds of all distances, from m of D dimensions.

Let B hold m orthonormal columns of D dimensions, a = B^T x, and rho the length of what B misses of
x. What B misses of p - q is no shorter than |rho_p - rho_q| and no longer than rho_p + rho_q, so

    lower(p, q) = ||a_p - a_q||^2 + (rho_p - rho_q)^2 <= d(p, q) <= lower(p, q) + 4 rho_p rho_q.

One product of m + 3 columns gives all lower bounds. B spans the leading directions of a sample
(Halko et al., Finding Structure with Randomness, 2011, algorithm 4.4), and m is chosen by what some
rows would have cost; m = D, where B misses nothing, is among the choices, so features without
structure cost little more than all products.

Rounding. Write X for (a, rho) as stored in float32, S = ||p|| + ||q||, u = 2^-24. a and rho come
from float64, where B is orthonormal but for delta = ||B^T B - I||, so rho^2 is off by at most
theta ||x||^2, theta = 3 delta + (D + m) 2^-50, and rho by at most sqrt(theta) ||x||. Hence

    ||X_x - (a_x, rho_x)|| <= epsilon ||x||,      epsilon = 2u + 2 sqrt(theta)  (0 where m = D),
    | ||X_p - X_q||^2 - lower(p, q) | <= 2.1 epsilon S^2,

and the product, whose magnitudes add up to at most S^2 (1 + 3 epsilon), adds gamma_(m+6) S^2 (see
`counting.kernels`). 8u S^2 more pay for what is compared in float32 afterwards; together: `slack`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic.parallel import each
from reid_srdl.retrieval.arithmetic.rounding import UNIT, gamma
from reid_srdl.retrieval.counting.frame import squared_norms
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.seeds import generator

_SAMPLE = 2048  # rows whose directions B spans
_DIMS = (64, 128, 256)  # choices of m beside D
_TRIED = 64  # rows by which m is chosen,
_AGAINST = 4096  # and how many they are compared with
_EXTRA = 32  # directions sought beyond m
_TURNS = 2  # of the power iteration
_PAIR = 16  # what one pair's difference costs, in multiply-adds of a product per dimension
_PASSES = 32  # what looking through the bounds costs, in multiply-adds per bound
_STEP = 1 << 18  # feature values taken to float64 at once

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]


class Bounds:
    """Bounds of all distances between N rows.

    Args:
        x: N x D.
        squares: their squared norms.
        basis: D x m, orthonormal columns; None for all dimensions.

    Attributes:
        rho: N lengths of what the basis misses.
        slack: N, how far a row's bounds may be off by rounding.
    """

    def __init__(self, x: Float32s, squares: Float64s, basis: Float64s | None) -> None:
        m = x.shape[1] if basis is None else basis.shape[1]
        # The norms ride along in the product: (-2a, -2rho, 1, s) times (a, rho, s, 1).
        self._right = np.empty((len(x), m + 3), np.float32)
        if basis is None:
            self._right[:, :m], self._right[:, m], epsilon = x, 0, 0.0
        else:
            epsilon = self._project(x, squares, basis)
        self.rho: Float32s = self._right[:, m].copy()
        self._right[:, m + 1] = squared_norms(self._right[:, : m + 1])
        self._right[:, m + 2] = 1
        norms = np.sqrt(squares)
        share = gamma(m + 6) + 2.1 * epsilon + 8 * UNIT
        self.slack: Float64s = share * (norms + norms.max()) ** 2

    def lower(self, start: int, stop: int, out: Float32s | None = None) -> Float32s:
        """Returns the lower bounds of rows ``start`` to ``stop`` and all N, up to the slack."""
        left = self._right[start:stop].copy()
        left[:, :-2] *= -2
        left[:, [-2, -1]] = left[:, [-1, -2]]
        bounds: Float32s = np.matmul(left, self._right.T, out=out)
        return bounds

    def _project(self, x: Float32s, squares: Float64s, basis: Float64s) -> float:
        """Writes a and rho; returns epsilon."""
        dim, m = basis.shape

        def project(start: int) -> None:
            own = slice(start, start + step)
            a = x[own].astype(np.float64) @ basis
            missed = squares[own] - np.einsum("nm,nm->n", a, a)
            self._right[own, :m], self._right[own, m] = a, np.sqrt(np.maximum(missed, 0))

        step = max(1, _STEP // dim)
        list(each(project, range(0, len(x), step)))
        delta = float(np.linalg.norm(basis.T @ basis - np.eye(m))) + dim * m * 2.0**-52
        return 2 * UNIT + 2 * float(np.sqrt(3 * delta + (dim + m) * 2.0**-50))


def chosen(x: Float32s, squares: Float64s, k: int) -> Bounds:
    """Returns the bounds whose dimensions cost least in a search of k neighbours."""
    trial = _Trial(x, squares, k)
    best: Float64s | None = None
    least = trial.least(x.shape[1])
    for m in _DIMS:
        if 4 * m > min(x.shape) or trial.least(m) >= least:
            break
        basis = directions(x, m)
        if (cost := trial.cost(basis)) < least:
            best, least = basis, cost
    return Bounds(x, squares, best)


def directions(x: Float32s, m: int) -> Float64s:
    """Returns D x m orthonormal columns, the leading directions of a sample, largest first."""
    sample = x[_spread(len(x), _SAMPLE)]
    width = min(m + _EXTRA, *sample.shape)
    draw = generator(0, "neighbours").standard_normal((x.shape[1], width), dtype=np.float32)
    basis = np.linalg.qr(sample.T @ (sample @ draw))[0]
    for _ in range(_TURNS - 1):
        basis = np.linalg.qr(sample.T @ (sample @ basis))[0]
    inside = sample @ basis
    _, vectors = np.linalg.eigh(inside.T @ inside)
    found = (basis @ vectors[:, ::-1][:, :m]).astype(np.float64)
    orthonormal: Float64s = np.linalg.qr(found)[0]
    return orthonormal


class _Trial:
    """What a row's search would cost in multiply-adds, judged by some rows' bounds to others."""

    def __init__(self, x: Float32s, squares: Float64s, k: int) -> None:
        rows, columns = _spread(len(x), _TRIED), _spread(len(x), _AGAINST)
        self._count, self._dim, self._k = len(x), x.shape[1], k
        self._share = len(columns) / len(x)
        self._p, self._q = x[rows], x[columns]
        self._squares_p, self._squares_q = squares[rows, None], squares[columns]
        self._exact = self._squares_p + self._squares_q - 2 * (self._p @ self._q.T)
        kth = max(1, round(k * self._share)) - 1
        self._kth = np.partition(self._exact, kth, axis=1)[:, [kth]]

    def least(self, m: int) -> float:
        """Returns the cost of m dimensions if bounds left only the nearest open."""
        return self._priced(m, 2 * self._k)

    def cost(self, basis: Float64s) -> float:
        """Returns the cost with this basis."""
        b = basis.astype(np.float32)
        a_p, a_q = self._p @ b, self._q @ b
        seen_p, seen_q = squared_norms(a_p)[:, None], squared_norms(a_q)
        rho_p = np.sqrt(np.maximum(self._squares_p - seen_p, 0))
        rho_q = np.sqrt(np.maximum(self._squares_q - seen_q, 0))
        lower = seen_p + seen_q - 2 * (a_p @ a_q.T) + (rho_p - rho_q) ** 2
        need = np.take_along_axis(self._exact, lower.argmax(axis=1)[:, None], axis=1)
        near = np.count_nonzero(lower <= self._kth)
        far = np.count_nonzero(lower + 4 * rho_p * rho_q >= need)
        pairs = (near + far) / len(self._p) / self._share
        return self._priced(basis.shape[1], self._k + pairs)

    def _priced(self, m: int, pairs: float) -> float:
        return float(self._count * (m + _PASSES) + _PAIR * self._dim * pairs)


def _spread(count: int, most: int) -> Int64s:
    return np.linspace(0, count - 1, min(most, count), dtype=np.int64)
