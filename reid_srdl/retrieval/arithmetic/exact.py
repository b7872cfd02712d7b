"""The definition of distance, to which every engine answers.

The squared Euclidean distance of two float32 rows q and g is

    d(q, g) = sum over d of (q_d - g_d)^2,

each term in float64, the terms summed by `fold`, an order that depends on the number of dimensions
and on nothing else. Only elementwise float64 operations are used (no BLAS, no library reduction, no
fused multiply-add), so NumPy and torch, on any processor or accelerator, return the same bits.

Every term is non-negative and passes through one subtraction, one multiplication and
ceil(log2 D) + 1 additions at most, so with u = 2^-53 and gamma_n = n u / (1 - n u)
(Higham, Accuracy and Stability of Numerical Algorithms, 2002, lemma 3.1)

    |d_computed - d| <= gamma_(ceil(log2 D) + 5) d,

which is `relative_error`. float32 differences and squares neither overflow nor underflow in
float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic import rounding

_UNIT = 2.0**-53
_RUN = 64  # terms of a float32 sum: fewer take longer
_SCRATCH = 1 << 17  # float64 numbers held at once, so that the folds stay in cache


def relative_error(dim: int) -> float:
    """Returns a bound of the definition's own relative rounding error in ``dim`` dimensions."""
    steps = (dim - 1).bit_length() + 5
    return steps * _UNIT / (1 - steps * _UNIT)


def fold(x: Any) -> Any:
    """Sums over the last axis by adding the second half to the first until one column is left.

    An odd last column is carried to the next step. ``x`` is overwritten.

    Args:
        x: ... x D array, NumPy's or torch's.

    Returns:
        The sums, without the last axis.

    >>> float(fold(np.array([1.0, 2.0, 3.0, 4.0, 5.0])))
    15.0
    """
    width = x.shape[-1]
    while width > 1:
        half = width // 2
        if width % 2:
            x[..., :half] += x[..., half : 2 * half]
            x[..., half] = x[..., width - 1]
            x = x[..., : half + 1]
        else:
            x = x[..., :half] + x[..., half:]  # fresh, without gaps: half the time of in place
        width = half + width % 2
    return x[..., 0]


def pair_distances(q: Any, g: Any) -> Any:
    """Returns the squared Euclidean distances of P pairs of rows, by the definition above.

    Args:
        q, g: P x D float32 rows (P x D or 1 x D each), both NumPy's or both torch's.

    Returns:
        P distances, float64, of the same kind.

    >>> pair_distances(np.float32([[0, 3]]), np.float32([[4, 0]])).tolist()
    [25.0]
    """
    if not isinstance(q, np.ndarray):
        return _distances(q.double() - g.double())
    rows, dim = max(len(q), len(g)), q.shape[1]
    step = max(1, _SCRATCH // dim)
    out = np.empty(rows, np.float64)
    for start in range(0, rows, step):
        part = slice(start, start + step)
        a = q if len(q) == 1 else q[part]
        b = g if len(g) == 1 else g[part]
        # Faster than a subtraction that casts on its way.
        out[part] = _distances(a.astype(np.float64) - b.astype(np.float64))
    return out


def _distances(difference: Any) -> Any:
    difference *= difference
    return fold(difference)


def runs(dim: int) -> int:
    """Returns how many short sums `rough_sums` makes of ``dim`` terms."""
    return -(-dim // _RUN)


def rough_sums(
    q: NDArray[np.float32], g: NDArray[np.float32], scale: float, out: NDArray[np.float32]
) -> None:
    """Sums P pairs' squared differences in float32, by short sums; for `rough_distances`.

    Args:
        q, g: P x D float32 rows; ``q`` is overwritten.
        scale: a power of two by which differences are multiplied, so that squares neither overflow
            nor underflow.
        out: P x runs(D); not finite where float32 overflows.
    """
    dim = q.shape[1]
    whole = dim - dim % _RUN
    difference = np.subtract(q, g, out=q)
    if scale != 1.0:
        difference *= np.float32(scale)
    if whole:
        terms = difference[:, :whole].reshape(len(q), -1, _RUN)
        np.vecdot(terms, terms, out=out[:, : whole // _RUN])
    if whole < dim:
        rest = difference[:, whole:]
        np.vecdot(rest, rest, out=out[:, -1])


def rough_distances(
    sums: NDArray[np.float64], dim: int, scale: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimates the definition's distances of P pairs from what `rough_sums` summed.

    Squares of float32 differences are summed in runs of 64, in any order, and these sums in
    float64: with u = 2^-24 a term passes one subtraction (squared: twice), one multiplication and
    63 additions, so that the estimate is off ||q - g||^2 by at most gamma_67 ||q - g||^2, float64's
    roundings included. Squares below the normal range, flushed to zero or not, are off by 2^-126
    at most. The definition's own error is added.

    Returns:
        P estimates of the squared distances, without the scale, and P bounds of their distance from
        the definition; infinity where float32 overflowed.
    """
    near = sums / scale**2
    error = (
        1.001 * ((_RUN + 4) * rounding.UNIT + relative_error(dim)) * near
        + dim * 2.0**-125 / scale**2
    )
    lost = ~np.isfinite(near)
    return np.where(lost, 0.0, near), np.where(lost, np.inf, error)


def norms(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the Euclidean norms of N x D float32 rows in float64, summed by `fold`."""
    zero = np.zeros((1, x.shape[1]), np.float32)
    squares: NDArray[np.float64] = pair_distances(x, zero)
    return np.sqrt(squares)


def normalized(
    x: NDArray[np.float32], lengths: NDArray[np.float64] | None = None
) -> NDArray[np.float32]:
    """Divides N x D rows by their norms in float64 and rounds to float32.

    A row of zeros has no direction and stays as it is, as in ``torch.nn.functional.normalize``.

    >>> normalized(np.float32([[3, 4], [0, 0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = norms(x) if lengths is None else lengths
    divisor = np.where(lengths > 0, lengths, 1.0)
    return np.divide(x, divisor[:, None], dtype=np.float64).astype(np.float32)
