"""Bounds of float32's roundings."""

from __future__ import annotations

UNIT = 2.0**-24  # u: the relative error of one rounding to nearest
FLUSHED = 2.0**-122  # of a product below the normal range that may count as zero, with room


def gamma(n: int) -> float:
    """Returns n u / (1 - n u): the bound of n roundings, in any order.

    Higham, Accuracy and Stability of Numerical Algorithms, 2002, lemma 3.1.

    Raises:
        ValueError: n u >= 1, where float32 sums say nothing.
    """
    if n * UNIT >= 1:
        raise ValueError(f"no float32 bound for {n} roundings")
    return n * UNIT / (1 - n * UNIT)
