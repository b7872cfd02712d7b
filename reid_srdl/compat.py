"""Functions of other codes by their own names and arguments, computed by this project's counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_srdl.errors import UserError
from reid_srdl.evaluation.parts import unmatched
from reid_srdl.retrieval.given import GivenRanker, as_array, checked_distances, labelled
from reid_srdl.retrieval.metrics import no_results, scores
from reid_srdl.retrieval.rows import rows_of


def evaluate_rank(
    distmat: ArrayLike,
    q_pids: ArrayLike,
    g_pids: ArrayLike,
    q_camids: ArrayLike,
    g_camids: ArrayLike,
    max_rank: int = 50,
    use_metric_cuhk03: bool = False,
    use_cython: bool = True,
) -> tuple[NDArray[np.float32], np.float64]:
    """Returns CMC and mAP as ``torchreid.reid.metrics.evaluate_rank`` does.

    NOTE: equal distances are ranked by gallery index, there by an unstable sort. Where queries
    differ in how many images count for them, fewer than ``max_rank``, that code fails: here CMC(k)
    is the share of queries with a match up to k.

    Args:
        distmat: Q x G distances, of any type of real numbers.
        q_pids, g_pids: Q and G identities, of any type; none is special.
        q_camids, g_camids: Q and G cameras.
        max_rank: the longest rank of the CMC curve.
        use_metric_cuhk03: refused, see below.
        use_cython: takes no effect: the result is the same.

    Returns:
        CMC(1) to CMC(R) as float32 fractions, R being ``max_rank`` or as many images as count;
        and mAP.

    Raises:
        UserError: arrays that do not fit each other, NaN or infinity, no query with a match; or
            ``use_metric_cuhk03``, whose galleries are drawn anew by each call.

    >>> near = np.array([[0.1, 0.7, 0.2], [0.9, 0.3, 0.4]])
    >>> cmc, mAP = evaluate_rank(near, [7, 8], [7, 8, 8], [1, 1], [2, 2, 3], max_rank=2)
    >>> cmc.tolist(), float(mAP)
    ([1.0, 1.0], 1.0)
    """
    if use_metric_cuhk03:
        raise UserError(
            "use_metric_cuhk03=True: torchreid draws its galleries anew by each call",
            "use reid_srdl.evaluate_distances with Protocol(gallery='single-shot')",
        )
    if max_rank < 1:
        raise UserError(f"max_rank is {max_rank}", "give a rank from 1")
    pids, camids = _numbered(q_pids, g_pids), _numbered(q_camids, g_camids)
    query, gallery = (labelled(*side) for side in zip(pids, camids, strict=True))
    values = as_array(distmat, "distmat")
    exact = values.astype(np.float64) if values.dtype.kind in "iub" else values
    given = checked_distances(exact, query, gallery, "distmat")
    query, gallery = given.images.query, given.images.gallery
    found = no_results(query.pids, query.camids, None)
    stand_ins = rows_of(query.features), rows_of(gallery.features)
    for run in GivenRanker(given.values).ranks(
        stand_ins[0], query.labels, stand_ins[1], gallery.labels
    ):
        found.record(run.query, run.ranks, run.offsets)
    if not found.matched.any():
        raise unmatched()
    first = found.first_rank[found.matched]
    length = min(max_rank, _counted(*pids, *camids)[found.matched].max())
    up_to = np.bincount(np.minimum(first, length + 1), minlength=length + 2)[1:-1].cumsum()
    cmc: NDArray[np.float32] = up_to.astype(np.float32) / np.float32(len(first))
    return cmc, np.float64(scores(found).mAP)


def _numbered(query: ArrayLike, gallery: ArrayLike) -> list[NDArray[np.int64]]:
    """Returns labels of any type as numbers from 1: none of them is junk or a distractor."""
    sides = np.asanyarray(query), np.asanyarray(gallery)
    _, numbers = np.unique(
        np.concatenate([side.reshape(-1) for side in sides]), return_inverse=True
    )
    divided = np.split(numbers.astype(np.int64) + 1, [sides[0].size])
    return [own.reshape(side.shape) for own, side in zip(divided, sides, strict=True)]


def _counted(
    q_pids: NDArray[np.int64],
    g_pids: NDArray[np.int64],
    q_camids: NDArray[np.int64],
    g_camids: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Returns how many gallery images count for each query: all but its own by its own camera."""
    width = int(max(q_camids.max(), g_camids.max())) + 1
    own = np.bincount(g_pids * width + g_camids, minlength=int((q_pids.max() + 1) * width))
    counted: NDArray[np.int64] = len(g_pids) - own[q_pids * width + q_camids]
    return counted
