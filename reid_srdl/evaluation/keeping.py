"""What is kept of a ranking: each query's first images and missed matches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_srdl.retrieval.features import FeatureSet
from reid_srdl.retrieval.kept import IGNORED, KEPT, MATCH, OTHER, CameraFigures, Images, KeptRanks
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.lists import RankList
from reid_srdl.retrieval.memory.mapped import forget
from reid_srdl.retrieval.ranks import UNRETRIEVED, Ranks
from reid_srdl.retrieval.rows import Rows
from reid_srdl.retrieval.rules import PidIndex
from reid_srdl.retrieval.streams.stretches import Stream


@dataclass(frozen=True)
class Ranked:
    """All M matches of some queries: query, gallery position and rank of each, by rank."""

    query: Int64s
    gallery: Int64s
    ranks: Int64s

    @classmethod
    def of(cls, run: Ranks, positions: Int64s) -> Ranked:
        """Returns the matches of a run; ``positions`` tells where its gallery stands."""
        query = np.repeat(run.query, np.diff(run.offsets))
        ranks = np.where(run.ranks == UNRETRIEVED, 0, run.ranks)
        return cls(query, positions[run.gallery], ranks)


def ignored_most(queries: Labels, gallery: Labels) -> int:
    """Returns how many images of its own identity and camera a query has at most."""
    same = PidIndex(gallery).same_pid(queries)
    return int(np.bincount(same.query[~same.match], minlength=1).max(initial=0))


def streamed_lists(
    queries: Rows, labels: Labels, gallery: Stream, k: int, measure: str
) -> Iterator[RankList]:
    """Yields each query's first k images of a gallery that is never in memory whole.

    The first k of all stand among the first k of each stretch. Squares are compared, since two of
    them may have one root.
    """
    from reid_srdl.by_faiss.listing import exact_lists

    best: list[RankList | None] = [None] * len(queries)
    for start, stop in gallery.stretches(0, 1):
        stretch = gallery.stretch(start, stop)
        if not len(stretch):
            continue
        rows = stretch.rows(gallery.images.features[start:stop], normalize=gallery.normalize)
        place = np.arange(start, stop) if stretch.kept is None else stretch.kept
        there = Labels(
            np.asarray(gallery.images.pids[place], np.int64),
            np.asarray(gallery.images.camids[place], np.int64),
        )
        halves = exact_lists(queries, labels, rows, there, min(k, len(rows)), "cosine")
        for found in halves:
            own = RankList(found.query, place[found.gallery], found.distances, found.match)
            best[found.query] = _merged(best[found.query], own, k)
        forget(gallery.images.features)
    for one in best:
        if one is not None:
            far = one.distances if measure == "cosine" else np.sqrt(2 * one.distances)
            yield RankList(one.query, one.gallery, far, one.match, measure)


def _merged(one: RankList | None, other: RankList, k: int) -> RankList:
    if one is None:
        return other
    gallery = np.concatenate([one.gallery, other.gallery])
    distances = np.concatenate([one.distances, other.distances])
    match = np.concatenate([one.match, other.match])
    order = np.lexsort((gallery, distances))[:k]
    return RankList(one.query, gallery[order], distances[order], match[order])


def kept_ranks(
    query: FeatureSet,
    gallery: FeatureSet,
    lists: Iterable[RankList],
    matches: Sequence[Ranked],
    cameras: CameraFigures | None,
    cameras_note: str,
    *,
    own_ignored: bool,
) -> KeptRanks:
    """Puts together what is kept.

    Args:
        query, gallery: the images, whole.
        lists: of all queries, by positions in the whole gallery; with or without images that do
            not count.
        matches: all of them, likewise.
        cameras, cameras_note: figures by camera, or why there are none.
        own_ignored: images of a query's own identity and camera do not count.
    """
    own = query.labels
    parts: dict[int, tuple[Int64s, Any, Int64s]] = {}
    measure = ""
    for found in lists:
        pids = np.asarray(gallery.pids[found.gallery], np.int64)
        camids = np.asarray(gallery.camids[found.gallery], np.int64)
        same = pids == own.pids[found.query]
        ignored = same & (camids == own.camids[found.query]) & own_ignored
        kinds = np.where(ignored, IGNORED, np.where(same, MATCH, OTHER))
        last = int(np.searchsorted(np.cumsum(~ignored), KEPT)) + 1
        parts[found.query] = found.gallery[:last], found.distances[:last], kinds[:last]
        measure = found.measure
    empty = (np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
    each = [parts.get(number, empty) for number in range(len(query))]
    listed, distances, kinds = (np.concatenate(side) for side in zip(*each, strict=True))
    offsets = np.cumsum([0, *(len(one[0]) for one in each)])
    whose = np.repeat(np.arange(len(query)), np.diff(offsets))
    below, ranks, missed_offsets = _below(matches, Pairs(whose, listed), len(query), len(gallery))
    positions, place = np.unique(np.concatenate([listed, below]), return_inverse=True)
    return KeptRanks(
        queries=_images(query, np.arange(len(query))),
        images=_images(gallery, positions.astype(np.int64)),
        offsets=offsets,
        listed=place[: len(listed)],
        distances=distances.astype(np.float32),
        kinds=kinds.astype(np.uint8),
        missed_offsets=missed_offsets,
        missed=place[len(listed) :],
        missed_ranks=ranks,
        measure=measure,
        cameras=cameras,
        cameras_note=cameras_note,
    )


@dataclass(frozen=True)
class Pairs:
    """P pairs of a query and a gallery image."""

    query: Int64s
    gallery: Int64s


def _below(
    matches: Sequence[Ranked], listed: Pairs, queries: int, images: int
) -> tuple[Int64s, Int64s, Int64s]:
    """Returns gallery positions and ranks of the matches that are not listed, and offsets."""
    empty = np.empty(0, np.int64)
    query = np.concatenate([empty, *(part.query for part in matches)])
    order = np.argsort(query, kind="stable")
    query = query[order]
    gallery = np.concatenate([empty, *(part.gallery for part in matches)])[order]
    ranks = np.concatenate([empty, *(part.ranks for part in matches)])[order]
    seen = np.isin(query * images + gallery, listed.query * images + listed.gallery)
    # The listed ones have the first ranks, whichever of equally distant ones these are.
    within = np.arange(len(query)) - np.searchsorted(query, query)
    far = within >= np.bincount(query[seen], minlength=queries)[query]
    offsets = np.searchsorted(query[~seen], np.arange(queries + 1))
    return gallery[~seen], ranks[far], offsets.astype(np.int64)


def _images(part: FeatureSet, positions: Int64s) -> Images:
    names = [""] * len(positions)
    if part.names is not None:
        names = [part.names[position] for position in positions.tolist()]
    return Images(
        positions,
        np.asarray(part.pids[positions], np.int64),
        np.asarray(part.camids[positions], np.int64),
        np.array(names, dtype=np.str_),
    )
