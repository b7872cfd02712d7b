"""Multi-query: the hand-drawn boxes of a query's identity and camera pooled into one feature.

Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015, section 5: mean or max
pooling. With normalised features each box is normalised, pooled, and normalised again, as the
official code does.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.counting.exact import fold
from reid_srdl.retrieval.protocol import Int64s, Labels
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
    by_key: dict[tuple[int, int], list[int]] = {}
    for box, key in enumerate(zip(labels.pids.tolist(), labels.camids.tolist(), strict=True)):
        by_key.setdefault(key, []).append(box)
    pooled = np.zeros((len(wanted), boxes.dim), np.float32)
    found = np.zeros(len(wanted), np.bool_)
    keys = zip(wanted.pids.tolist(), wanted.camids.tolist(), strict=True)
    for row, key in enumerate(keys):
        if key in by_key:
            group = boxes.take(np.asarray(by_key[key], np.int64))
            pooled[row] = _mean(group) if how == "mean" else group.max(axis=0)
            found[row] = True
    return pooled, found


def _mean(group: NDArray[np.float32]) -> NDArray[Any]:
    sums: NDArray[np.float64] = fold(group.T.astype(np.float64))
    return (sums / len(group)).astype(np.float32)
