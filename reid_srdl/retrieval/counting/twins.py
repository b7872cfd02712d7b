"""Rows that are equal: a network with dead units gives many images the very same features.

Then most pairs tie exactly, and no bound can tell them apart. What is computed for one of equal
rows holds for the others.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.rows import Rows


class Twins:
    """For queries and gallery, the first row that each row equals; found when first asked for."""

    def __init__(self, queries: Rows, gallery: Rows) -> None:
        self._queries, self._gallery = queries, gallery

    @cached_property
    def first(self) -> tuple[Int64s, Int64s] | None:
        """The first equal row of each query and of each gallery row; None where all differ."""
        # Two threads may both find them: they find the same.
        query, gallery = first_equal(self._queries), first_equal(self._gallery)
        if len(np.unique(query)) == len(query) and len(np.unique(gallery)) == len(gallery):
            return None
        return query, gallery

    def runs(self, query: Int64s, gallery: Int64s) -> tuple[Int64s, Int64s] | None:
        """Finds runs of P pairs whose rows are equal.

        Returns:
            (heads, run): the first pair of each run, and for each pair its run; None where there
            are hardly any.
        """
        if self.first is None:
            return None
        q, g = self.first[0][query], self.first[1][gallery]
        fresh = np.ones(len(q), np.bool_)
        fresh[1:] = (q[1:] != q[:-1]) | (g[1:] != g[:-1])
        heads = np.flatnonzero(fresh)
        if 2 * len(heads) > len(q):
            return None
        return heads, np.cumsum(fresh) - 1


def first_equal(rows: Rows) -> Int64s:
    """Returns for each of N rows the first row that equals it.

    >>> first_equal(Rows(np.float32([[1, 2], [0, 3], [1, 2], [-0.0, 3]]))).tolist()
    [0, 1, 0, 1]
    """
    found = np.arange(len(rows))
    seen: dict[int, int] = {}
    for start, stop in rows.steps():
        block = rows.block(start, stop) + np.float32(0)  # makes -0 the same as 0
        for number, row in enumerate(block, start):
            found[number] = seen.setdefault(hash(row.tobytes()), number)
        # Equal hashes need not mean equal rows.
        copies = start + np.flatnonzero(found[start:stop] != np.arange(start, stop))
        if copies.size:
            same = (rows.take(copies) == rows.take(found[copies])).all(axis=1)
            found[copies[~same]] = copies[~same]
    return found
