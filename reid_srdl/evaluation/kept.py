"""Keeps the top of a ranking after the scores are known: lists, missed matches, cameras."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation.by_camera import MOST, Evaluate, camera_figures, few_cameras
from reid_srdl.evaluation.camera_ranker import CameraRanker
from reid_srdl.evaluation.cameras import as_ruled
from reid_srdl.evaluation.galleries import Gallery, streamed_of
from reid_srdl.evaluation.keeping import Ranked, ignored_most, kept_ranks, streamed_lists
from reid_srdl.evaluation.one_ranking import OneRanking, one_ranking
from reid_srdl.evaluation.parts import normalizes
from reid_srdl.group.processes import Alone
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.kept import KEPT, KeptRanks
from reid_srdl.retrieval.labels import JUNK, Labels
from reid_srdl.retrieval.lists import Lister, RankList
from reid_srdl.retrieval.metrics import PerQuery, no_results
from reid_srdl.retrieval.ranks import Ranks
from reid_srdl.retrieval.rows import Rows, rows_of
from reid_srdl.retrieval.streams.streaming import StreamedRanker
from reid_srdl.retrieval.streams.stretches import Stream


def keep(
    features: Features,
    protocol: Protocol,
    gallery: Gallery,
    matches: Sequence[Ranked],
    unmatched: float,
) -> KeptRanks:
    """Returns what an evaluation keeps.

    Images of a query's own identity and camera, which count for nothing, are listed among the
    others, but for an index: how much it retrieves would change what it retrieves. A cell of the
    figures by camera is an evaluation in that camera's gallery alone, or, where the ranking is one
    whole, of that camera's images in this ranking (see `one_ranking`).

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
    own = KEPT + ignored_most(asked, gallery.labels)
    everyone = as_ruled(labels, "keep")
    evaluate: Evaluate
    lists: Iterator[RankList]
    if (ranking := one_ranking(gallery, rows, asked)) is not None:
        evaluate = partial(_seen, ranking, gallery, asked, unmatched)
        k = KEPT if protocol.index is not None else min(own, len(gallery.labels))
        found = ranking.lists(everyone, k, protocol.distance)
        lists = (replace(one, gallery=gallery.positions[one.gallery]) for one in found)
    else:
        evaluate = partial(_column, gallery, rows, asked, unmatched)
        lists = first_images(gallery, rows, everyone, own, protocol)
    cameras = None
    if not (note := _no_cells(gallery, labels)):
        there = np.unique(gallery.labels.camids).tolist()
        cameras = camera_figures(labels.camids, there, evaluate)
    return kept_ranks(
        features.query,
        features.gallery,
        lists,
        matches,
        cameras,
        note,
        own_ignored=protocol.same_camera == "ignore",
    )


def _column(
    gallery: Gallery, queries: Rows, labels: Labels, unmatched: float, camera: int
) -> PerQuery:
    """Returns the results in the gallery of one camera alone."""
    if isinstance(gallery.ranker, CameraRanker):  # it has counted them already
        return gallery.ranker.tables[camera]
    there = of_camera(gallery, camera)
    runs = there.ranker.ranks(queries, labels, there.rows, there.labels)
    return _recorded(runs, labels, unmatched)


def _seen(
    ranking: OneRanking, gallery: Gallery, labels: Labels, unmatched: float, camera: int
) -> PerQuery:
    """Returns the results among one camera's images, in the order that gave the scores."""
    own = np.flatnonzero(gallery.labels.camids == camera)
    return _recorded(ranking.among(own), labels, unmatched)


def _recorded(runs: Iterable[Ranks], labels: Labels, unmatched: float) -> PerQuery:
    results = no_results(labels.pids, labels.camids, None, unmatched)
    for run in runs:
        results.record(run.query, run.ranks, run.offsets)
    return results


def _no_cells(gallery: Gallery, queries: Labels) -> str:
    """Returns why there are no figures by camera; empty: there are."""
    if not few_cameras(queries, gallery.labels):
        return f"there are more than {MOST} cameras"
    if gallery.stream is not None and not gallery.stream.junk_ignored:
        return "junk counts by these rules, and the gallery was read in parts"
    return ""


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
    images = replace(stream.images, pids=pids, camids=camids)
    masked = replace(stream, images=images, directionless={})
    return streamed_of(masked, np.unique(gallery.labels.pids), gallery.ranker.engine, Alone())
