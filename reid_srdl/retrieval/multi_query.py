"""Multi-query: the hand-drawn boxes of a query's identity and camera pooled into one feature.

Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015, section 5: mean or max
pooling. With normalised features each box is normalised, pooled, and normalised again, as the
official code does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic.exact import fold
from reid_srdl.retrieval.arithmetic.parallel import each, parts
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.rows import Rows

_VALUES = 1 << 20  # feature values pooled at once


def combinations(queries: Labels) -> tuple[Labels, Int64s]:
    """Returns the C distinct (pid, camid) of the queries, and where each first occurs.

    >>> labels, first = combinations(Labels(np.array([7, 5, 7]), np.array([1, 1, 1])))
    >>> labels.pids.tolist(), first.tolist()
    ([7, 5], [0, 1])
    """
    pairs = np.stack([queries.pids, queries.camids], axis=1)
    first = np.sort(np.unique(pairs, axis=0, return_index=True)[1])
    return queries.take(first), first


def pool(
    boxes: Rows, labels: Labels, wanted: Labels, how: Literal["mean", "max"]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Pools the boxes of each wanted (pid, camid).

    Args:
        boxes: B x D features, read normalised where that is asked for.
        labels: the boxes' labels.
        wanted: C distinct combinations.
        how: ``mean`` (in float64, summed by `exact.fold` in the boxes' order), or ``max``.

    Returns:
        C x D float32 (zeros where there is no box), and C booleans: there are boxes.
    """
    order, starts, sizes = _groups(labels, wanted)
    pooled = np.zeros((len(wanted), boxes.dim), np.float32)

    def fill(some: Int64s) -> None:
        size = sizes[some[0]]
        members = order[starts[some, None] + np.arange(size)]
        features = boxes.take(members.reshape(-1)).reshape(len(some), size, boxes.dim)
        pooled[some] = _mean(features) if how == "mean" else features.max(axis=1)

    list(each(fill, list(_of_one_size(sizes, boxes.dim))))
    return pooled, sizes > 0


def _of_one_size(sizes: Int64s, dim: int) -> Iterator[Int64s]:
    """Yields combinations that have equally many boxes, a few at a time."""
    for size in np.unique(sizes[sizes > 0]).tolist():
        rows = np.flatnonzero(sizes == size)
        for first, last in parts(len(rows), max(1, _VALUES // (size * dim))):
            yield rows[first:last]


def _groups(labels: Labels, wanted: Labels) -> tuple[Int64s, Int64s, Int64s]:
    """Returns an order of the boxes, and in it each wanted combination's first and how many."""
    both = np.concatenate([np.stack([x.pids, x.camids], axis=1) for x in (labels, wanted)])
    number = np.unique(both, axis=0, return_inverse=True)[1]
    own, asked = number[: len(labels)], number[len(labels) :]
    order = np.argsort(own, kind="stable")
    starts = own[order].searchsorted(asked)
    return order, starts, np.bincount(own, minlength=len(number))[asked]


def _mean(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the means of C x n x D features over the n."""
    sums: NDArray[np.float64] = fold(features.astype(np.float64).transpose(0, 2, 1))
    means: NDArray[np.float32] = (sums / features.shape[1]).astype(np.float32)
    return means
