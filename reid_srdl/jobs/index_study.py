"""What an approximate index costs: accuracy, memory and time against exact search."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reid_srdl.by_faiss.approximate import (
    Retrieved,
    check_count,
    retrieve,
    retrieved_lists,
    truncated_ranks,
)
from reid_srdl.by_faiss.building import build_index
from reid_srdl.config.protocol import Protocol
from reid_srdl.evaluation import evaluate, normalizes
from reid_srdl.evaluation.cameras import as_ruled, with_cameras
from reid_srdl.evaluation.rank_lists import RankList, rank_lists
from reid_srdl.records.index_cost import RECALLS, IndexCost, IndexStudy
from reid_srdl.retrieval.features import Features, checked
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.ranks import Ranks, without_junk
from reid_srdl.retrieval.rows import Rows, rows_of


def study_indexes(
    features: Features,
    names: Sequence[str] = (),
    protocol: Protocol | None = None,
    *,
    retrieved: int = 100,
    gpu: bool = False,
) -> IndexStudy:
    """Compares FAISS indexes with exact search; queries without a match take no part in scores.

    Args:
        features: queries and gallery; boxes are not used.
        names: the indexes (see `building.build_index`); none: some that fit the features.
        protocol: distance and normalisation.
        retrieved: images retrieved per query.
        gpu: let a GPU answer, where FAISS sees one.

    Raises:
        UserError: the features cannot be evaluated, FAISS refuses an index, or ``retrieved`` is
            above the gallery.
    """
    protocol = protocol or Protocol()
    whole = checked(features)
    features = Features(whole.query, whole.gallery)
    normalize = normalizes(protocol)
    gallery = rows_of(features.gallery.features, normalize=normalize)
    gallery, labels = without_junk(gallery, features.gallery.labels)
    check_count(retrieved, len(gallery))
    queries = rows_of(features.query.features, normalize=normalize)
    rule = with_cameras(protocol, features.query.labels).same_camera
    asked = as_ruled(features.query.labels, rule)
    exact = evaluate(features, protocol).evaluation.single_query
    lists = rank_lists(features, protocol, min(max(RECALLS), retrieved))
    place = np.cumsum(features.gallery.pids != -1) - 1  # where each image stands without junk
    costs = []
    for name in names or fitting_indexes(len(gallery)):
        built = build_index(name, gallery, gpu=gpu)
        found, seconds = retrieve(built, queries, asked, labels, retrieved)
        scores = evaluate(
            features, protocol, ranker=_Retrieved(found, name)
        ).evaluation.single_query
        costs.append(
            IndexCost(
                index=name,
                recalls=tuple(_recall(lists, place, found, k) for k in RECALLS),
                rank1=scores.rank1,
                truncated_mAP=scores.mAP,
                bytes=built.bytes,
                build_seconds=built.seconds,
                queries_per_second=len(queries) / max(seconds, 1e-9),
                advice=built.advice,
            )
        )
    return IndexStudy(
        exact,
        retrieved,
        len(queries),
        len(gallery),
        gallery.dim,
        protocol.distance,
        normalize,
        tuple(costs),
    )


def fitting_indexes(gallery: int) -> list[str]:
    """Returns some indexes for N images, exact first; none takes long to train.

    >>> fitting_indexes(15913)
    ['Flat', 'IVF256,Flat;nprobe=8', 'HNSW32', 'SQ8']
    """
    cells = 2 ** int(math.log2(max(gallery / 39, 1)))  # FAISS advises 39 images per cell
    lists = min(cells, 2 ** round(math.log2(4 * math.sqrt(gallery))))
    return ["Flat", f"IVF{lists},Flat;nprobe={min(lists, 8)}", "HNSW32", "SQ8"]


@dataclass(frozen=True)
class _Retrieved:
    """Ranks within what was already retrieved for these queries."""

    independent: ClassVar[bool] = False

    found: Retrieved
    name: str

    def ranks(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Ranks]:
        yield truncated_ranks(self.found, query_labels, gallery_labels)

    def lists(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        k: int,
        distance: str,
    ) -> Iterator[RankList]:
        yield from retrieved_lists(self.found, k, self.name)

    def told(self) -> dict[str, str]:
        return {}


def _recall(lists: Sequence[RankList], place: Int64s, found: Retrieved, k: int) -> float | None:
    if any(len(exact.gallery) < k for exact in lists):
        return None
    shares = []
    for row, exact in enumerate(lists):
        true = place[exact.gallery[:k]]
        got = found.positions[row, (found.rank[row] > 0) & (found.rank[row] <= k)]
        shares.append(float(np.isin(true, got).mean()))
    return math.fsum(shares) / len(shares)
