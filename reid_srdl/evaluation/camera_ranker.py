"""Exact ranks counted camera by camera: one pass gives the scores and those of each camera alone.

Counts add up over any parts of the gallery (see `counting.counter`), so also over its cameras. The
negatives of camera c ahead of a match are running sums over c's own slots: with the matches of
camera c ahead of it, they give its rank in the gallery of camera c alone. The sum over all cameras
gives its rank among all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from reid_srdl.evaluation.exact import ExactRanker
from reid_srdl.retrieval.counting.counter import running
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.metrics import PerQuery, no_results
from reid_srdl.retrieval.ranks import Engine, Ranks, match_ranks
from reid_srdl.retrieval.rows import Rows


@dataclass(frozen=True)
class CameraRanker(ExactRanker):
    """Ranks as `ExactRanker` does, and keeps each camera's own results.

    Attributes:
        unmatched: what a query without a match scores.
        tables: the results in each camera's gallery, by camera, of the queries ranked last.
    """

    unmatched: float
    tables: dict[int, PerQuery] = field(default_factory=dict, compare=False)

    def ranks(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Ranks]:
        """Yields the ranks of all matches."""
        counted = _ByCamera(self.engine, gallery_labels.camids)
        blank = query_labels.pids, query_labels.camids, None, self.unmatched
        for camera in counted.cameras:
            self.tables[camera] = no_results(*blank)
        labels = query_labels, gallery, gallery_labels
        for run in match_ranks(queries, *labels, counted, progress):
            for camera, own in counted.of_cameras(run.query):
                self.tables[camera].record(own.query, own.ranks, own.offsets)
            yield run


class _ByCamera:
    """An engine that counts each camera's images apart, and remembers their slots.

    Args:
        engine: who counts.
        camids: the N images' cameras.
    """

    def __init__(self, engine: Engine, camids: Int64s) -> None:
        self._engine, self._camids = engine, camids
        self.cameras: list[int] = np.unique(camids).tolist()
        self._slots: dict[int, Int64s] = {}
        self._targets: Targets | None = None

    def slots(
        self,
        queries: Rows,
        images: Rows,
        targets: Targets,
        progress: Callable[[int], None] | None = None,
    ) -> Int64s:
        """Returns the M matches' slots, all cameras' added."""
        self._targets = targets
        for camera in self.cameras:
            own = np.flatnonzero(self._camids == camera)
            there = images.select(own), seen_from(targets, own)
            self._slots[camera] = self._engine.slots(queries, *there, progress)
        whole: Int64s = np.sum(list(self._slots.values()), axis=0)
        return whole

    def of_cameras(self, numbers: Int64s) -> Iterator[tuple[int, Ranks]]:
        """Yields the ranks of the last queries' matches in the gallery of each camera alone.

        Args:
            numbers: these queries' positions.
        """
        assert self._targets is not None
        targets, order = self._targets, in_order(self._targets)
        whose, image = targets.query, targets.image[order]
        for camera, slots in self._slots.items():
            ahead = running(slots, targets.offsets)
            own = np.flatnonzero(self._camids[image] == camera)
            query, sizes = np.unique(whose[own], return_counts=True)
            offsets = np.append(0, np.cumsum(sizes))
            before = np.arange(len(own)) - np.repeat(offsets[:-1], sizes)
            yield camera, Ranks(numbers[query], offsets, 1 + before + ahead[own], image[own])


def seen_from(targets: Targets, own: Int64s) -> Targets:
    """Returns the matches as seen from some of the images, whose positions are ``own``, ascending.

    Positions decide between equal distances. A match that is none of these images stands behind
    the last of them that is ahead of it.
    """
    same = targets.same
    here = np.isin(same.image, own)
    pairs = replace(
        same,
        query=same.query[here],
        image=np.searchsorted(own, same.image[here]),
        match=same.match[here],
    )
    place = np.searchsorted(own, targets.image) - ~np.isin(targets.image, own)
    return replace(targets, same=pairs, image=place)


def in_order(targets: Targets) -> Int64s:
    """Returns M matches by query, definition's distance and position.

    Estimates put them in order already, but for those whose bounds meet.
    """
    d, slack, query = targets.distances, targets.slack, targets.query
    meet = (np.diff(d) <= slack[1:] + slack[:-1]) & (np.diff(query) == 0)
    near = np.flatnonzero(np.append(meet, False) | np.append(False, meet))
    exact = d.copy()
    if len(near):
        exact[near] = targets.defined(near)
    order: Int64s = np.lexsort((targets.image, exact, query))
    return order
