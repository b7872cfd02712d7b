"""Keeps the top of a ranking after the scores are known: lists, missed matches, cameras."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reid_srdl.config.protocol import Protocol
from reid_srdl.evaluation.by_camera import camera_figures
from reid_srdl.evaluation.cameras import as_ruled
from reid_srdl.evaluation.keeping import Ranked, ignored_most, kept_ranks
from reid_srdl.evaluation.parts import normalizes
from reid_srdl.evaluation.searched import Searched
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.kept import KEPT, KeptRanks
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.metrics import PerQuery, no_results
from reid_srdl.retrieval.rows import rows_of


def keep(
    features: Features,
    protocol: Protocol,
    searched: Searched,
    matches: Sequence[Ranked],
    unmatched: float,
) -> KeptRanks:
    """Returns what an evaluation keeps.

    Images of a query's own identity and camera, which count for nothing, are listed among the
    others, but for an index: how much it retrieves would change what it retrieves.

    Args:
        features: queries and gallery.
        protocol: the rules; of same cameras as these queries have it.
        searched: what was searched.
        matches: all matches with their ranks.
        unmatched: what a query without a match scores.
    """
    labels = features.query.labels
    asked = as_ruled(labels, protocol.same_camera)
    rows = rows_of(features.query.features, normalize=normalizes(protocol))
    if protocol.index is None:
        k = KEPT + ignored_most(asked, searched.labels)
        lists = searched.lists(rows, as_ruled(labels, "keep"), k, protocol)
    else:
        lists = searched.lists(rows, asked, KEPT, protocol)

    def evaluate(queries: Int64s, camera: int) -> PerQuery:
        there, own = searched.only(camera), asked.take(queries)
        results = no_results(own.pids, own.camids, None, unmatched)
        ranked = there.ranker.ranks(rows.select(queries), own, there.gallery, there.labels)
        for run in ranked:
            results.record(run.query, run.ranks, run.offsets)
        return results

    cameras = camera_figures(
        labels.camids,
        np.unique(searched.labels.camids).tolist(),
        evaluate,
        independent=searched.ranker.independent,
    )
    return kept_ranks(
        features.query,
        features.gallery,
        lists,
        matches,
        cameras,
        own_ignored=protocol.same_camera == "ignore",
    )
