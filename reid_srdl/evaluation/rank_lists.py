"""Rank lists: the first k gallery images of each query, as they were ranked for the scores."""

from __future__ import annotations

import dataclasses

from reid_srdl.by_faiss.listing import exact_lists
from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation.cameras import as_ruled, with_cameras
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.retrieval.features import Features, checked
from reid_srdl.retrieval.labels import Labels
from reid_srdl.retrieval.lists import Lister, RankList
from reid_srdl.retrieval.ranks import without_junk
from reid_srdl.retrieval.rows import Rows, rows_of
from reid_srdl.retrieval.rules import counted

__all__ = ["RankList", "check_lists", "rank_lists"]


def rank_lists(
    features: Features,
    protocol: Protocol | None = None,
    k: int = 10,
    ranker: Lister | None = None,
    ranked: tuple[Rows, Labels] | None = None,
) -> list[RankList]:
    """Returns the rank lists of all queries, equal distances by gallery index.

    A list is shorter than k where fewer images count for its query, or were retrieved. The first
    match's rank in it is the query's first rank among the results of the same ranking.

    Args:
        features: queries and gallery.
        protocol: the rules.
        k: the lists' length.
        ranker: who ranked for the scores; None: order is the definition's.
        ranked: the images that count, as that ranker saw them: its index is built for these.

    Raises:
        UserError: the features cannot be evaluated, k is not between 1 and the gallery's size, or
            the gallery is drawn.
    """
    protocol = protocol or Protocol()
    features = checked(features)
    rule = with_cameras(protocol, features.query.labels).same_camera
    asked = as_ruled(features.query.labels, rule)
    check_lists(protocol, k, len(features.gallery))
    normalize = protocol.normalize or protocol.distance == "cosine"
    junk_ignored = CONVENTIONS[protocol.rules].junk_ignored
    kept = counted(features.gallery.labels, junk_ignored=junk_ignored)
    queries = rows_of(features.query.features, normalize=normalize)
    k = min(k, len(kept))
    if not k:
        return []
    if ranked is None:
        rows = rows_of(features.gallery.features, normalize=normalize)
        ranked = without_junk(rows, features.gallery.labels, junk_ignored=junk_ignored)
    listed = exact_lists if ranker is None else ranker.lists
    lists = listed(queries, asked, *ranked, k, protocol.distance)
    told = [dataclasses.replace(found, gallery=kept[found.gallery]) for found in lists]
    return sorted(told, key=lambda found: found.query)


def check_lists(protocol: Protocol, k: int, gallery: int) -> None:
    """Checks that there can be rank lists of length k.

    Raises:
        UserError: k is not between 1 and the gallery's size, or each trial has a gallery of its
            own.
    """
    if protocol.gallery == "single-shot":
        raise UserError(
            "--top-k: a single-shot evaluation has no one ranking to list, each trial draws a "
            "gallery of its own",
            "leave --top-k, --rank-lists and --pictures out, or add --gallery all",
            usage=True,
        )
    if not 1 <= k <= gallery:
        raise UserError(
            f"rank lists of length {k}", f"choose --top-k from 1 to {gallery}", usage=True
        )
