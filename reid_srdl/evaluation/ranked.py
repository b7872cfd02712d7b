"""Exact evaluation over whole galleries, in memory or as a stream."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation.agreement import check_same
from reid_srdl.evaluation.cameras import as_ruled, check_cameras, with_cameras
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.evaluation.keeping import Ranked
from reid_srdl.evaluation.kept import keep as keep_top
from reid_srdl.evaluation.parts import (
    Counting,
    Progress,
    Scored,
    engine_of,
    normalizes,
    rules_of,
    unmatched,
    unmatched_boxes,
)
from reid_srdl.evaluation.rank_lists import RankList, rank_lists
from reid_srdl.evaluation.searched import Searched, streamed, whole
from reid_srdl.group.processes import Alone, Group
from reid_srdl.retrieval.counting.count import CountEngine
from reid_srdl.retrieval.features import Features, checked
from reid_srdl.retrieval.kept import KeptRanks
from reid_srdl.retrieval.labels import Int64s, Labels, joined_labels
from reid_srdl.retrieval.memory.mapped import is_mapped
from reid_srdl.retrieval.metrics import PerQuery, no_results, scores
from reid_srdl.retrieval.multi_query import combinations, pool
from reid_srdl.retrieval.ranks import ExactRanker, Lister, Ranker
from reid_srdl.retrieval.result import Evaluation
from reid_srdl.retrieval.rows import Rows, joined, rows_of
from reid_srdl.retrieval.streams.stretches import (
    count_distractors,
    read_rows,
    stretch_rows,
)


def evaluate(
    features: Features,
    protocol: Protocol | None = None,
    *,
    engine: Literal["count", "faiss"] | Counting = "count",
    device: str = "cpu",
    progress: Progress | None = None,
    ranker: Lister | None = None,
    group: Group | None = None,
    keep: bool = False,
) -> Scored:
    """Evaluates features by the person re-identification protocol.

    Ranks are exact: they follow from the distances that `retrieval.counting.exact` defines,
    equal distances by gallery index, whatever the engine and the device.

    Args:
        features: queries, gallery and perhaps boxes; float16 or float32. A memory-mapped gallery is
            never in memory whole, with the engine ``count``.
        protocol: rules, distance, normalisation, pooling; None: our rules, raw Euclidean, mean
            pooling.
        engine: ``count`` counts over blocks of distances; ``faiss`` evaluates from FAISS's search;
            or an engine object.
        device: ``cpu``, or a torch device such as ``cuda``.
        progress: called with (pairs of query and gallery image done, pairs in all).
        ranker: ranks otherwise than exactly by distance (an approximate index, re-ranking, expanded
            queries), and says so in the result's rules; ``engine`` is not used then.
        group: the processes that share the gallery, each with all the features (see `processes`);
            all return the same.
        keep: keep the top of the ranking, too (in the first process).

    Raises:
        UserError: the features cannot be evaluated, are not the same in all processes, or no query
            has a match.

    >>> from reid_srdl import FeatureSet
    >>> x, camera = np.eye(3, dtype=np.float32), np.array([1, 1, 1])
    >>> query, gallery = (FeatureSet(x, np.array([7, 8, 9]), camera + side) for side in (0, 1))
    >>> evaluate(Features(query, gallery)).evaluation.single_query.rank1
    1.0
    """
    protocol, group = protocol or Protocol(), group or Alone()
    if asked := _beyond(protocol, ranker):
        raise UserError(f"{asked}: evaluate ranks whole galleries by distance", "use evaluate_by")
    counting = engine_of(engine, device)
    counts = ranker is None and isinstance(counting, CountEngine)
    if group.size > 1 and not counts:
        raise UserError(
            "this way of ranking cannot be shared among processes",
            "use the engine count alone, or one process",
            usage=True,
        )
    streams = counts and (group.size > 1 or is_mapped(features.gallery.features))
    features = checked(features, mapped_values=not streams)
    check_same(features, group)
    protocol = with_cameras(protocol, features.query.labels)
    if streams and engine == "count":
        # One kernel for all, chosen for a stretch: memory must not depend on how many there are.
        counting = CountEngine(device, chosen_for=stretch_rows(features.gallery))
    if streams:
        pids = features.query.labels.pids
        searched = streamed(features.gallery, pids, protocol, counting, group)
    else:
        searched = whole(features.gallery, protocol, ranker or ExactRanker(counting))
    check_cameras(features.query.labels, searched.labels, protocol.same_camera)
    test = _Test(features, protocol, searched, keep=keep and group.rank == 0)
    undecided = counting.undecided
    single, multi = test.results(progress)
    nobody = count_distractors(features.query.labels, features.gallery.pids)
    evaluation = Evaluation(
        single_query=scores(single),
        multi_query=None if multi is None else scores(multi),
        protocol=rules_of(protocol, searched.ranker, features.query.labels, nobody),
    )
    decided = np.array([counting.undecided - undecided])

    def lists(k: int) -> list[RankList]:
        if streams:  # which hold no whole gallery, and rank by the definition
            return rank_lists(features, protocol, k)
        return rank_lists(features, protocol, k, ranker, (searched.gallery, searched.labels))

    return Scored(evaluation, single, multi, int(group.summed(decided)[0]), lists, test.kept())


def _beyond(protocol: Protocol, ranker: Ranker | None) -> str:
    """Names what a protocol asks for that `evaluate` does not do by itself."""
    asked = {
        "single-shot": protocol.gallery != "all",
        "an index": ranker is None and protocol.index is not None,
        "re-ranking": ranker is None and protocol.rerank.method != "none",
        "query expansion": ranker is None and protocol.expand.method != "none",
        "given distances": ranker is None and protocol.distance == "given",
    }
    return " and ".join(what for what, given in asked.items() if given)


@dataclass(frozen=True)
class _Asked:
    """A set of queries, and where their results belong."""

    rows: Rows
    labels: Labels
    results: PerQuery
    to: Int64s
    matches: list[Ranked] | None = None  # all of them, where they are kept


class _Test:
    """One set of features under one protocol."""

    def __init__(
        self, features: Features, protocol: Protocol, searched: Searched, *, keep: bool
    ) -> None:
        self._features, self._protocol, self._searched = features, protocol, searched
        self._matches: list[Ranked] | None = [] if keep else None
        self._normalize = normalizes(protocol)
        zero = CONVENTIONS[protocol.rules].unmatched == "zero"
        self._unmatched = 0.0 if zero else math.nan

    def results(self, progress: Progress | None) -> tuple[PerQuery, PerQuery | None]:
        """Returns what came of single queries and, where there are boxes, of multi-queries."""
        single = self._single()
        multi = None if self._features.boxes is None else self._multi()
        asked = [single] if multi is None else [single, multi]
        # In one go where that is the same: a gallery is read once then, and prepared once.
        together = [asked] if self._searched.ranker.independent else [[one] for one in asked]
        for some in together:
            self._rank(some, progress)
        if not single.results.matched.any():
            raise unmatched()
        if multi is not None and not multi.results.matched.any():
            raise unmatched_boxes()
        return single.results, None if multi is None else multi.results

    def kept(self) -> KeptRanks | None:
        """Returns the top of the ranking; `results` come first."""
        if self._matches is None:
            return None
        there = self._features, self._protocol, self._searched
        return keep_top(*there, self._matches, self._unmatched)

    def _single(self) -> _Asked:
        query = self._features.query
        names = None if query.names is None else tuple(query.names)
        results = no_results(query.labels.pids, query.labels.camids, names, self._unmatched)
        rows = rows_of(query.features, normalize=self._normalize)
        labels = as_ruled(query.labels, self._protocol.same_camera)
        return _Asked(rows, labels, results, np.arange(len(query)), self._matches)

    def _multi(self) -> _Asked:
        query, boxes = self._features.query, self._features.boxes
        assert boxes is not None
        wanted, first = combinations(query.labels)
        names = None if query.names is None else tuple(query.names[i] for i in first)
        results = no_results(wanted.pids, wanted.camids, names, self._unmatched)
        rows = read_rows(boxes.features, "multi_features", normalize=self._normalize)
        pooled, found = pool(rows, boxes.labels, wanted, self._protocol.pooling)
        there = np.flatnonzero(found)
        queries = rows_of(pooled[there], normalize=self._normalize)
        labels = as_ruled(wanted.take(there), self._protocol.same_camera)
        return _Asked(queries, labels, results, there)

    def _rank(self, asked: list[_Asked], progress: Progress | None) -> None:
        """Enters the ranks of sets of queries into their results."""
        rows = joined([some.rows for some in asked])
        labels = joined_labels([some.labels for some in asked])
        stops = np.cumsum([len(some.rows) for some in asked]).tolist()
        searched = self._searched
        for run in searched.ranker.ranks(rows, labels, searched.gallery, searched.labels, progress):
            for some, part in zip(asked, run.divided(stops), strict=True):
                some.results.record(some.to[part.query], part.ranks, part.offsets)
                if some.matches is not None:
                    some.matches.append(Ranked.of(part, searched.positions))
