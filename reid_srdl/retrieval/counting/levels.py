"""Gallery rows of like errors, because one that is estimated badly would widen all rows' windows.

A row of error e, where rows usually have u, is of level 0 up to e = 2u, of level 1 up to 4u, of
level 2 up to 16u, and so on: few levels, near to each other where most rows are.
"""

from __future__ import annotations

import numpy as np

from reid_srdl.retrieval.counting.windows import Float64s
from reid_srdl.retrieval.labels import Int64s

_LIKE, _LEVELS = 2.0, 5
_FEW = 16  # rows that are not worth a group of their own: they join the next level's


def levels(errors: Float64s, usual: float) -> Int64s:
    """Returns the levels of N rows with these errors.

    >>> levels(np.array([1.0, 2.0, 3.0, 9.0, 900.0]), 1.0).tolist()
    [0, 0, 1, 2, 4]
    """
    return np.searchsorted(usual * _LIKE**2.0 ** np.arange(_LEVELS), errors)


def grouped(level: Int64s) -> tuple[Int64s, list[tuple[int, slice]]]:
    """Puts rows of like levels side by side.

    Returns:
        (order, groups): an order of the N rows, as they stand if all are of one level; the groups
        in it, each with the level that none of its rows exceeds.
    """
    order = np.arange(len(level))
    if not level.any():
        return order, [(0, slice(0, len(level)))]
    order = np.argsort(level, kind="stable")
    found, counts = np.unique(level, return_counts=True)
    stops = np.cumsum(counts).tolist()
    groups, start = [], 0
    for height, stop in zip(found.tolist(), stops, strict=True):
        if stop - start >= _FEW or stop == len(level):
            groups.append((height, slice(start, stop)))
            start = stop
    return order, groups
