"""Multi-query: the hand-drawn boxes of a query's identity and camera pooled into one feature.

Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015, section 5: mean or max
pooling. With normalised features each box is normalised, pooled, and normalised again, as the
official code does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic.exact import fold
from reid_srdl.retrieval.protocol import Int64s, Labels, PidIndex
from reid_srdl.retrieval.rows import Rows


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
    pooled = np.zeros((len(wanted), boxes.dim), np.float32)
    found = np.zeros(len(wanted), np.bool_)
    for row, group in enumerate(_groups(labels, wanted)):
        if len(group):
            features = boxes.take(group)
            pooled[row] = _mean(features) if how == "mean" else features.max(axis=0)
            found[row] = True
    return pooled, found


def _groups(labels: Labels, wanted: Labels) -> Iterator[Int64s]:
    """Yields the positions of each wanted combination's boxes, ascending."""
    index = PidIndex(labels)
    for row in range(len(wanted)):
        same = index.same_pid(wanted.take(np.array([row])))
        yield same.gallery[~same.match]  # the same camera


def _mean(group: NDArray[np.float32]) -> NDArray[Any]:
    sums: NDArray[np.float64] = fold(group.T.astype(np.float64))
    return (sums / len(group)).astype(np.float32)
