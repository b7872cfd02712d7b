"""Keeps the top of a ranking after the scores are known: lists, missed matches, cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation.by_camera import Evaluate, camera_figures
from reid_srdl.evaluation.camera_ranker import CameraRanker
from reid_srdl.evaluation.cameras import as_ruled
from reid_srdl.evaluation.galleries import Gallery, streamed_of
from reid_srdl.evaluation.keeping import Ranked, ignored_most, kept_ranks, streamed_lists
from reid_srdl.evaluation.parts import normalizes
from reid_srdl.group.processes import Alone
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.kept import KEPT, KeptRanks
from reid_srdl.retrieval.labels import JUNK, Labels
from reid_srdl.retrieval.lists import Lister, RankList
from reid_srdl.retrieval.metrics import PerQuery, no_results
from reid_srdl.retrieval.rows import Rows, rows_of
from reid_srdl.retrieval.streams.streaming import StreamedRanker
from reid_srdl.retrieval.streams.stretches import Stream

if TYPE_CHECKING:
    from reid_srdl.reranking.rerank import KReciprocalRanker


def keep(
    features: Features,
    protocol: Protocol,
    gallery: Gallery,
    matches: Sequence[Ranked],
    unmatched: float,
) -> KeptRanks:
    """Returns what an evaluation keeps.

    Images of a query's own identity and camera, which count for nothing, are listed among the
    others, but for an index: how much it retrieves would change what it retrieves.

    Args:
        features: queries and gallery.
        protocol: the rules; of same cameras as these queries have it.
        gallery: what was searched.
        matches: all matches with their ranks.
        unmatched: what a query without a match scores.
    """
    labels = features.query.labels
    asked = as_ruled(labels, protocol.same_camera)
    rows = rows_of(features.query.features, normalize=normalizes(protocol))
    evaluate: Evaluate | None = None  # NOTE: else each cell would be a ranking of its own
    if gallery.ranker.independent:
        evaluate = partial(_column, gallery, rows, asked, unmatched)
    if protocol.index is not None:
        lists = first_images(gallery, rows, asked, KEPT, protocol)
    else:
        k = KEPT + ignored_most(asked, gallery.labels)
        everyone = as_ruled(labels, "keep")
        if (ranking := _reranking(gallery, asked, rows, unmatched)) is not None:
            evaluate = ranking.column
            lists = ranking.first_images(everyone, min(k, len(gallery.labels)), protocol)
        else:
            lists = first_images(gallery, rows, everyone, k, protocol)
    cameras = None
    if evaluate is not None:
        there = np.unique(gallery.labels.camids).tolist()
        cameras = camera_figures(labels.camids, there, evaluate)
    return kept_ranks(
        features.query,
        features.gallery,
        lists,
        matches,
        cameras,
        own_ignored=protocol.same_camera == "ignore",
    )


def _column(
    gallery: Gallery, queries: Rows, labels: Labels, unmatched: float, camera: int
) -> PerQuery:
    """Returns the results in the gallery of one camera alone."""
    if isinstance(gallery.ranker, CameraRanker):  # it has counted them already
        return gallery.ranker.tables[camera]
    there = of_camera(gallery, camera)
    results = no_results(labels.pids, labels.camids, None, unmatched)
    for run in there.ranker.ranks(queries, labels, there.rows, there.labels):
        results.record(run.query, run.ranks, run.offsets)
    return results


def _reranking(
    gallery: Gallery, labels: Labels, queries: Rows, unmatched: float
) -> _Reranking | None:
    """Returns the re-ranking by which a gallery was ranked; None: it was ranked otherwise."""
    if gallery.ranker.independent:
        return None
    from reid_srdl.reranking.rerank import KReciprocalRanker

    if not isinstance(gallery.ranker, KReciprocalRanker):
        return None
    return _Reranking(gallery.ranker, gallery, labels, queries, unmatched)


class _Reranking:
    """One re-ranking, listed and seen from each camera: by its final distances in either case."""

    def __init__(
        self,
        ranker: KReciprocalRanker,
        gallery: Gallery,
        labels: Labels,
        queries: Rows,
        unmatched: float,
    ) -> None:
        self._ranker, self._gallery, self._labels = ranker, gallery, labels
        self._unmatched = unmatched
        self._final, self._shared = ranker.prepared(queries, gallery.rows)

    def first_images(self, labels: Labels, k: int, protocol: Protocol) -> Iterator[RankList]:
        """Yields the first k images of each query, by positions among all images."""
        both = (self._final, self._shared), labels, self._gallery.labels
        for found in self._ranker.first_images(*both, k, protocol.distance):
            yield replace(found, gallery=self._gallery.positions[found.gallery])

    def column(self, camera: int) -> PerQuery:
        """Returns the results among the images of one camera."""
        from reid_srdl.reranking.ranked import reranked

        own = np.flatnonzero(self._gallery.labels.camids == camera)
        results = no_results(self._labels.pids, self._labels.camids, None, self._unmatched)
        sides = self._labels, self._gallery.labels.take(own)
        for run in reranked(self._final.among(own), self._shared.among(own), *sides):
            results.record(run.query, run.ranks, run.offsets)
        return results


def first_images(
    gallery: Gallery, queries: Rows, labels: Labels, k: int, protocol: Protocol
) -> Iterator[RankList]:
    """Yields the first k images of each query, by positions among all images."""
    if gallery.stream is not None:
        yield from streamed_lists(queries, labels, gallery.stream, k, protocol.distance)
        return
    ranker: Lister = gallery.ranker  # type: ignore[assignment] # all of whole galleries can list
    k = min(k, len(gallery.labels))
    for found in ranker.lists(queries, labels, gallery.rows, gallery.labels, k, protocol.distance):
        yield replace(found, gallery=gallery.positions[found.gallery])


def of_camera(gallery: Gallery, camera: int) -> Gallery:
    """Returns the gallery of one camera alone.

    Raises:
        UserError: rules by which junk counts, and a gallery that is never in memory whole.
    """
    if gallery.stream is not None:
        return _stream_of(gallery, gallery.stream, camera)
    own = np.flatnonzero(gallery.labels.camids == camera)
    rows, labels = gallery.rows.select(own), gallery.labels.take(own)
    return Gallery(gallery.ranker, rows, labels, gallery.positions[own])


def _stream_of(gallery: Gallery, stream: Stream, camera: int) -> Gallery:
    """Returns a streamed gallery in which all other cameras' images are junk."""
    if not stream.junk_ignored:
        raise UserError("junk counts: a streamed gallery cannot leave cameras out", "")
    assert isinstance(gallery.ranker, StreamedRanker)
    camids = np.asarray(stream.images.camids)
    pids = np.where(camids == camera, np.asarray(stream.images.pids), JUNK)
    masked = replace(stream, images=replace(stream.images, pids=pids, camids=camids))
    return streamed_of(masked, np.unique(gallery.labels.pids), gallery.ranker.engine, Alone())
