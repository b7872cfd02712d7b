"""All pairs of query and gallery image, a block of distances at a time.

Of features, a block is a float64 product with a proven error; where that leaves a cell open, the
definition decides. Of a given matrix, a block is some of its rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic.parallel import parts
from reid_srdl.retrieval.counting.matches import product_slack
from reid_srdl.retrieval.counting.pairs import exact_distances
from reid_srdl.retrieval.given import GivenRanker
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.memory.mapped import forget
from reid_srdl.retrieval.rows import Rows
from reid_srdl.verification.cells import cells_of

_VALUES = 1 << 21  # distances held at once

Float64s = NDArray[np.float64]
Measure = Literal["euclidean", "cosine"]


@dataclass(frozen=True)
class Block:
    """R x C cells of distances; the first query's and the first gallery image's position."""

    query: int
    gallery: int
    cells: Int64s


class Pairs(Protocol):
    """Whatever has the distances of queries and gallery images.

    Attributes:
        by_row: blocks are of some queries by the whole gallery; else of all queries by some images.
    """

    by_row: ClassVar[bool]

    def blocks(self) -> Iterator[Block]:
        """Yields blocks that cover each pair once."""

    def distances(self, query: Int64s, gallery: Int64s) -> Float64s:
        """Returns the distances of P pairs, as rank lists print them."""


@dataclass(frozen=True)
class FeaturePairs:
    """Pairs of features, by the definition's distance."""

    by_row: ClassVar[bool] = False

    queries: Rows
    gallery: Rows
    measure: Measure

    def distances(self, query: Int64s, gallery: Int64s) -> Float64s:
        """Returns the definition's distances of P pairs, as rank lists print them."""
        return self._shown(exact_distances(self.queries, self.gallery, query, gallery))

    def _shown(self, squares: Float64s) -> Float64s:
        shown: Float64s = squares / 2 if self.measure == "cosine" else np.sqrt(squares)
        return shown

    def blocks(self) -> Iterator[Block]:
        """Yields all queries by some gallery images; the bound is that of `counting.matches`."""
        q = self.queries.block(0, len(self.queries))
        centre = q[0].astype(np.float64)
        q_wide = q - centre
        a = np.vecdot(q_wide, q_wide)
        columns = max(1, _VALUES // len(q))
        for start, stop in parts(len(self.gallery), columns):
            g_wide = self.gallery.block(start, stop) - centre
            b = np.vecdot(g_wide, g_wide)
            squares = q_wide @ g_wide.T
            squares *= -2
            squares += a[:, None]
            squares += b
            slack = product_slack(self.queries.dim) * (np.sqrt(a) + np.sqrt(b.max())) ** 2
            yield Block(0, start, self._cells(squares, slack, start))
            forget(self.gallery.features)

    def _cells(self, squares: Float64s, slack: Float64s, start: int) -> Int64s:
        low, high = (
            cells_of(self._shown(np.maximum(squares + side * slack[:, None], 0)))
            for side in (-1, 1)
        )
        query, gallery = np.nonzero(low != high)
        low[query, gallery] = cells_of(self.distances(query, gallery + start))
        return low


@dataclass(frozen=True)
class GivenPairs:
    """Pairs of a given matrix; the rows are stand-ins, as for `GivenRanker`."""

    by_row: ClassVar[bool] = True

    ranker: GivenRanker
    queries: Rows
    gallery: Rows

    def distances(self, query: Int64s, gallery: Int64s) -> Float64s:
        """Returns the given distances of P pairs."""
        column = gallery if self.gallery.index is None else self.gallery.index[gallery]
        found: Float64s = self.ranker.values[query, column].astype(np.float64)
        return found

    def blocks(self) -> Iterator[Block]:
        """Yields some queries by all gallery images."""
        for start, block in self.ranker.blocks(self.queries, self.gallery):
            yield Block(start, 0, cells_of(block.astype(np.float64)))
