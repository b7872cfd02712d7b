"""How many of a block's estimates fall between which matches, and which pairs are left open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_srdl.retrieval.counting.edges import Edges, Float32s
from reid_srdl.retrieval.labels import Int64s

_MANY = 0.5  # of a block's estimates; more are placed as they lie, fewer picked out first


@dataclass(frozen=True)
class Tally:
    """What a block's estimates decide.

    Attributes:
        counts: how many estimates have each place (see `Edges`) of the block's queries.
        query, column: P open pairs' rows and columns in the block.
        window: the windows that they lie in.
        value: their estimates.
    """

    counts: Int64s
    query: Int64s
    column: Int64s
    window: Int64s
    value: Float32s


def tally(edges: Edges, first: int, values: Float32s) -> Tally | None:
    """Places the estimates of queries ``first`` on; None where all are farther than all matches.

    Args:
        edges: the windows of all matches for these gallery rows.
        first: position of the first query.
        values: Q x N estimates without gaps; infinity for what does not count.
    """
    rows, columns = values.shape
    queries = slice(first, first + rows)
    mask = values < edges.far[queries, None]
    found = np.count_nonzero(mask)
    if not found:
        return None
    near = sizes = None
    if found < _MANY * mask.size:
        near = np.flatnonzero(mask)
        sizes = np.diff(near.searchsorted(np.arange(rows + 1) * columns))
        values = values.reshape(-1)[near]
    places = edges.places(queries, values, sizes)
    low, high = 2 * edges.start[first], 2 * edges.start[first + rows]
    places -= np.int32(low)
    counts = np.bincount(places, minlength=high - low)
    inside = np.empty(0, np.int64)
    if counts[1::2].any():
        inside = np.flatnonzero((places & 1).astype(np.bool_))
    window, value = (places[inside] + low) // 2, values.reshape(-1)[inside]
    inside = inside if near is None else near[inside]
    query = inside // columns
    return Tally(counts, query, inside - query * columns, window, value)
