"""Features as few leading coefficients and many small integers, with what that leaves out.

V has k columns that are orthonormal but for rounding; M is orthonormal, and mixes values in
sixteens with the signs of a Hadamard matrix. A placed row p becomes

    p   = V b + w,      b = fl32(V^T p) in float32,
    M w = s I + e,      I integers from -127 to 127, s one scale for the row,

which holds exactly whatever V, b, s and I are: w and e are defined by it. Then, for rows q and g
with coefficients a and b,

    p(q) p(g) = a b + s_q s_g I_q I_g                                    (the estimate)
              + (V^T p(q) - a) b + a (V^T p(g) - b) - a (V^T V - 1) b    (V's part)
              + e_q M w_g + s_q I_q e_g                                  (the integers' part)

because p(q) p(g) = (V^T p(q)) b + p(q) w_g, p(q) w_g = a V^T w_g + w_q w_g and w_q w_g =
(M w_q) (M w_g). By Cauchy's inequality the last two lines are at most

    rho(q) |b| + |a| (rho(g) + delta |b|) + |e_q| |w_g| + (|w_q| + |e_q|) |e_g|,

where rho = 1.01u |b| + 2^-52 D ||V|| |p| bounds |V^T p - b| (float64 sums, rounded to float32
once), ||V|| is V's Frobenius norm and delta that of V^T V - 1. The lengths are measured, not
assumed, so any V serves; the features' principal directions make w, and with it the error, small.
M does not change lengths, but it makes the largest value of a row smaller, and with it s and |e|:
by a tenth to a quarter on features of networks, whose values have heavy tails. `sizes` holds |p|,
|b|, |w|, |e|.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic.rounding import UNIT, gamma
from reid_srdl.retrieval.counting.kernels.kernel import Float32s, Float64s
from reid_srdl.retrieval.memory.scratch import Scratch

_LARGEST = 127
_TINIEST = np.float32(2.0**-62)  # of scales: the product of two is a normal number
_STRIP = 1 << 17  # feature values split at once, so that they stay in cache
_FLAT = 1e-9  # of the largest eigenvalue: directions of smaller ones would not be orthonormal
_MIXED = 16  # values that are mixed with each other
# Hadamard's matrix over 4; SciPy's would take longer to import than to use.
_PAIR = np.array([[1, 1], [1, -1]], np.float32)
_FOUR = np.kron(_PAIR, _PAIR)
_MIXER = np.kron(_FOUR, _FOUR) / np.float32(4)
_GAP = 64  # bytes after each row of integers: rows at powers of two apart share cache lines


@dataclass(frozen=True)
class Pieces:
    """N split rows.

    Attributes:
        lead: N x k float32 coefficients b.
        integers: N x D int8, I.
        scale: N float32, s.
        sizes: N x 4 upper bounds of |p|, |b|, |w| and |e|.
    """

    lead: Float32s
    integers: NDArray[np.int8]
    scale: Float32s
    sizes: Float64s


class Split:
    """Splits placed rows along the columns of V.

    Attributes:
        delta: upper bound of the Frobenius norm of V^T V - 1.

    Args:
        directions: V, D x k float32.
    """

    def __init__(self, directions: Float32s) -> None:
        self._directions, self._wide = directions, directions.astype(np.float64)
        self._scratch = Scratch()
        dim, k = directions.shape
        self._length = 1.01 * float(np.linalg.norm(self._wide))
        self._sums = 2.0**-52 * dim * self._length  # float64's roundings of V^T p, for |p| = 1
        gram = self._wide.T @ self._wide
        self.delta = float(np.linalg.norm(gram - np.eye(k))) + 2.0**-52 * dim * self._length**2

    @property
    def leading(self) -> int:
        """Number of leading coefficients, k."""
        return int(self._directions.shape[1])

    def first(self, k: int) -> Split:
        """Returns the split along the first k directions alone."""
        return Split(np.ascontiguousarray(self._directions[:, :k]))

    def pieces(self, p: Float32s, squares: Float64s) -> Pieces:
        """Splits N placed rows, N x D, with these squared norms.

        The integers are valid until this thread's next call.
        """
        rows, dim = p.shape
        lead = np.empty((rows, self.leading), np.float32)
        # Columns of gapped rows are quickly read.
        integers = self._scratch.array("gapped", (rows, dim + _GAP), np.int8)[:, :dim]
        scale, lengths = np.empty(rows, np.float32), np.empty((3, rows))
        step = max(1, _STRIP // dim)
        for start in range(0, rows, step):
            part = slice(start, start + step)
            shape = p[part].shape
            wide = self._scratch.array("wide", shape, np.float64)
            w, mixed = (self._scratch.array(name, shape) for name in ("w", "mixed"))
            wide[:] = p[part]
            lead[part] = wide @ self._wide
            np.matmul(lead[part], self._directions.T, out=w)
            np.subtract(p[part], w, out=w)
            lengths[:2, part] = _lengths(lead[part]), _lengths(w)
            mixed, nearest = _mixed(w, out=mixed), w
            scale[part] = np.maximum(np.maximum(mixed.max(1), -mixed.min(1)) / _LARGEST, _TINIEST)
            np.divide(mixed, scale[part, None], out=nearest)
            np.rint(nearest, out=nearest)
            integers[part] = nearest
            nearest *= scale[part, None]
            lengths[2, part] = _lengths(np.subtract(mixed, nearest, out=nearest))
        return Pieces(lead, integers, scale, self._sizes(np.sqrt(squares), *lengths))

    def _sizes(self, whole: Float64s, lead: Float64s, rest: Float64s, lost: Float64s) -> Float64s:
        # V b is summed in float32: component d is off by gamma_k times the sum of |V_dj| |b_j|.
        off = gamma(self.leading + 1) * self._length * lead + 1.01 * UNIT * rest
        # A mixed value is off by gamma_17 times the length of what it is mixed of, 16 of them by
        # four times that.
        off_too = 4 * gamma(_MIXED + 1) * rest + off
        return np.stack(
            [whole, lead, rest + off, lost * (1 + UNIT) + 3 * UNIT * rest + off_too], axis=1
        )

    def error(self, sizes: Float64s, most: Float64s) -> Float64s:
        """Returns bounds of |p(q) p(g) - (a b + s_q s_g I_q I_g)|.

        Args:
            sizes: Q x 4 sizes of queries.
            most: 4 sizes that no gallery row exceeds, or 4 x Q.
        """
        whole, lead, rest, lost = sizes.T
        rounded = 1.01 * UNIT
        error: Float64s = (rounded * lead + self._sums * whole) * most[1]
        error += lead * (rounded * most[1] + self._sums * most[0] + self.delta * most[1])
        error += lost * most[2]
        error += (rest + lost) * most[3]
        return error


def _mixed(w: Float32s, out: Float32s) -> Float32s:
    """Writes M w for N x D rows to ``out``; w where D is no multiple of 16 (M = 1)."""
    rows, dim = w.shape
    if dim % _MIXED:
        out[:] = w
    else:
        apart = (rows, _MIXED, dim // _MIXED)
        np.matmul(_MIXER, w.reshape(apart), out=out.reshape(apart))
    return out


def _lengths(x: Float32s) -> Any:
    """Returns upper bounds of N rows' norms."""
    return np.sqrt(np.vecdot(x, x).astype(np.float64)) * (1 + gamma(x.shape[1] + 2)) + 2.0**-60


def leading_directions(p: Float32s, k: int) -> Float32s:
    """Returns the first principal directions of N x D rows: D x k orthonormal columns.

    Fewer than k where the rows span fewer dimensions, or are fewer.
    """
    wide = p.astype(np.float64)
    # The rows' products have the eigenvalues of the dimensions' products, and there are fewer.
    values, vectors = np.linalg.eigh(wide @ wide.T)
    kept = min(k, int((values > _FLAT * values[-1]).sum()))
    scaled = vectors[:, ::-1][:, :kept] / np.sqrt(values[::-1][:kept])
    return np.ascontiguousarray(wide.T @ scaled, dtype=np.float32)
