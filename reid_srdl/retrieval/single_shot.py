"""Single-shot evaluation: a gallery of one random image of each identity, many times over.

The protocol of CUHK03 (Li et al., DeepReID, CVPR 2014, section 5): in each trial, the gallery of a
query holds one image of each identity, drawn from the cameras other than the query's, and all
queries of a camera share it. Scores are means over trials and queries. A query has one match in
each trial, so its average precision is its reciprocal rank.

Distractors (pid 0) are nobody's images: all of them stay in every gallery. Junk takes no part.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.metrics import PerQuery, no_results, scores
from reid_srdl.retrieval.ranks import Ranker
from reid_srdl.retrieval.result import Scores, Spread
from reid_srdl.retrieval.rows import Rows
from reid_srdl.retrieval.rules import distractors
from reid_srdl.seeds import generator

_MEASURES = ("mAP", "mAP_trapezoid", "mINP", "rank1", "rank5", "rank10", "rank20")


@dataclass(frozen=True)
class SingleShot:
    """How galleries are drawn: ``trials`` of them for each camera, from ``seed``."""

    trials: int = 100
    seed: int = 0

    def told(self, same_camera: Literal["ignore", "keep"]) -> dict[str, str]:
        """Returns the fields of `result.Rules` that name this protocol."""
        drawn = "the cameras other than the query's" if same_camera == "ignore" else "all cameras"
        return {
            "single_shot": f"a random gallery image of each identity from {drawn}, all images "
            f"of pid 0; {self.trials} trials from seed {self.seed}; scores "
            "are means over trials and queries",
            "ap": "mAP: mean reciprocal rank of the one match; mAP_trapezoid: the same by "
            "trapezoids",
        }


def drawn_ranks(
    queries: Rows,
    query_labels: Labels,
    gallery: Rows,
    gallery_labels: Labels,
    ranker: Ranker,
    shots: SingleShot,
    progress: Callable[[int, int], None] | None = None,
) -> Int64s:
    """Returns T x Q ranks of each query's match in each trial; 0 for a query that has none.

    Args:
        queries, query_labels: the queries.
        gallery, gallery_labels: what galleries are drawn from, without junk.
        ranker: ranks a drawn gallery.
        shots: how many draws, from which seed.
        progress: called with (trials done, trials in all), for all cameras together.
    """
    nobody = distractors(query_labels, gallery_labels)
    ranks = np.zeros((shots.trials, len(queries)), np.int64)
    cameras = np.unique(query_labels.camids).tolist()
    for number, camera in enumerate(cameras):
        own = np.flatnonzero(query_labels.camids == camera)
        rows, labels = queries.select(own), query_labels.take(own)
        elsewhere = gallery_labels.camids != camera
        elsewhere[nobody] = False
        images = _by_identity(gallery_labels, np.flatnonzero(elsewhere))
        for trial in range(shots.trials):
            drawn = _drawn(images, shots.seed, trial, camera)
            kept = np.sort(np.concatenate([drawn, nobody]))
            if len(kept):
                there = gallery.select(kept), gallery_labels.take(kept)
                for run in ranker.ranks(rows, labels, *there):
                    ranks[trial, own[run.query]] = run.ranks  # one each
            if progress:
                progress(number * shots.trials + trial + 1, len(cameras) * shots.trials)
    return ranks


def trial_scores(
    ranks: Int64s, labels: Labels, names: tuple[str, ...] | None, unmatched: float = math.nan
) -> tuple[Scores, Spread, PerQuery]:
    """Averages the scores of T trials.

    Args:
        ranks: T x Q, as from `drawn_ranks`.
        labels, names: of the queries.
        unmatched: what a query without a match scores, see `metrics.no_results`.

    Returns:
        The means of all scores, their standard deviations over trials, and per query the means over
        trials, with the (lower) median of its ranks as its first rank.

    Raises:
        ValueError: no query has a match.
    """
    matched = np.flatnonzero(ranks[0])
    tables = []
    for trial in ranks:
        table = no_results(labels.pids, labels.camids, names, unmatched)
        table.record(matched, trial[matched], np.arange(len(matched) + 1))
        tables.append(table)
    found = [scores(table) for table in tables]
    values = {key: [float(getattr(one, key)) for one in found] for key in _MEASURES}
    means = {key: math.fsum(own) / len(own) for key, own in values.items()}
    spread = {key: statistics.stdev(own) if len(own) > 1 else 0.0 for key, own in values.items()}
    for key in ("ap", "ap_trapezoid", "inp"):
        getattr(tables[0], key)[:] = np.mean([getattr(table, key) for table in tables], axis=0)
    tables[0].first_rank[:] = np.sort(ranks, axis=0)[(len(ranks) - 1) // 2]
    return found[0].model_copy(update=means), Spread(**spread), tables[0]


@dataclass(frozen=True)
class _Images:
    """Gallery positions grouped by identity: those of the i-th start at first[i]."""

    positions: Int64s
    first: Int64s
    sizes: Int64s


def _by_identity(labels: Labels, positions: Int64s) -> _Images:
    order = positions[np.argsort(labels.pids[positions], kind="stable")]
    _, first, sizes = np.unique(labels.pids[order], return_index=True, return_counts=True)
    return _Images(order, first, sizes)


def _drawn(images: _Images, seed: int, trial: int, camera: int) -> Int64s:
    """Returns one position of each identity."""
    draw = generator(seed, "single-shot", trial, camera).integers(0, images.sizes)
    chosen: Int64s = images.positions[images.first + draw]
    return chosen
