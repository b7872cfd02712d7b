"""Evaluates features: single- and multi-query scores, exact, by one protocol."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from typing import Protocol as TypingProtocol

import numpy as np

from reid_srdl.config import EvalConfig
from reid_srdl.errors import UserError
from reid_srdl.retrieval.conventions import CONVENTIONS
from reid_srdl.retrieval.counting.blocks import choose
from reid_srdl.retrieval.counting.count import CountEngine
from reid_srdl.retrieval.features import Features, checked
from reid_srdl.retrieval.mapped import is_mapped
from reid_srdl.retrieval.metrics import PerQuery, no_results, scores
from reid_srdl.retrieval.multi_query import combinations, pool
from reid_srdl.retrieval.protocol import Int64s, Labels, distractors
from reid_srdl.retrieval.ranks import Engine, ExactRanker, Ranker, without_junk
from reid_srdl.retrieval.result import Evaluation, Protocol, Rules
from reid_srdl.retrieval.rows import Rows, rows_of
from reid_srdl.retrieval.sharding import Alone, Group
from reid_srdl.retrieval.single_shot import SingleShot, drawn_ranks, trial_scores
from reid_srdl.retrieval.streaming import StreamedRanker
from reid_srdl.retrieval.stretches import StreamedGallery, read_rows

Progress = Callable[[int, int], None]


class Counting(Engine, TypingProtocol):
    """An engine that says how many pairs it left to the definition."""

    undecided: int


@dataclass(frozen=True)
class Evaluated:
    """An evaluation with its per-query results.

    Attributes:
        evaluation: the scores and the rules.
        single: results of each query, in the queries' order.
        multi: results of each distinct (pid, camid) of the queries, in order of first occurrence;
            None without boxes.
        undecided: pairs that float32 left to the definition.
    """

    evaluation: Evaluation
    single: PerQuery
    multi: PerQuery | None
    undecided: int


def evaluate(
    features: Features,
    protocol: Protocol | None = None,
    *,
    engine: Literal["count", "faiss"] | Counting = "count",
    device: str = "cpu",
    progress: Progress | None = None,
    ranker: Ranker | None = None,
    group: Group | None = None,
) -> Evaluated:
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
        group: the processes that share the gallery, each with all the features (see `sharding`);
            all return the same.

    Raises:
        UserError: the features cannot be evaluated, or no query has a match.
    """
    protocol, group = protocol or Protocol(), group or Alone()
    if protocol.gallery != "all":
        raise UserError("evaluate ranks whole galleries", "use evaluate_by for single-shot")
    counting = _engine(engine, device)
    counts = ranker is None and isinstance(counting, CountEngine)
    if group.size > 1 and not counts:
        raise UserError(
            "this way of ranking cannot be shared among processes",
            "use the engine count alone, or one process",
            usage=True,
        )
    streams = counts and (group.size > 1 or is_mapped(features.gallery.features))
    features = checked(features, mapped_values=not streams)
    if streams and engine == "count":
        # Chosen for all that this process counts: a stretch alone would not be worth the look.
        own, dim = len(features.gallery) // group.size, features.gallery.features.shape[1]
        counting = CountEngine(device, choose(len(features.query), own, dim, device))
    if streams:
        searched = _streamed(features, protocol, counting, group)
    else:
        searched = _whole(features, protocol, ranker or ExactRanker(counting))
    test = _Test(features, protocol, searched)
    undecided = counting.undecided
    single = test.single(progress)
    multi = test.multi(progress) if features.boxes is not None else None
    evaluation = Evaluation(
        single_query=scores(single),
        multi_query=None if multi is None else scores(multi),
        protocol=_rules(protocol, searched.ranker, features.query.labels, features.gallery.labels),
    )
    decided = np.array([counting.undecided - undecided])
    return Evaluated(evaluation, single, multi, int(group.summed(decided)[0]))


@dataclass(frozen=True)
class _Searched:
    """What is searched: the gallery as ``ranker`` wants it."""

    ranker: Ranker
    gallery: Rows
    labels: Labels


def _whole(features: Features, protocol: Protocol, ranker: Ranker) -> _Searched:
    rows = rows_of(features.gallery.features, normalize=normalizes(protocol))
    junk_ignored = CONVENTIONS[protocol.rules].junk_ignored
    return _Searched(
        ranker, *without_junk(rows, features.gallery.labels, junk_ignored=junk_ignored)
    )


def _streamed(features: Features, protocol: Protocol, engine: Engine, group: Group) -> _Searched:
    junk_ignored = CONVENTIONS[protocol.rules].junk_ignored
    gallery = StreamedGallery(features.gallery, normalizes(protocol), junk_ignored)
    positions, labels = gallery.relevant(features.query.labels.pids)
    ranker = StreamedRanker(engine, gallery, positions, group)
    return _Searched(ranker, gallery.rows(positions), labels)


class _Test:
    """One set of features under one protocol."""

    def __init__(self, features: Features, protocol: Protocol, searched: _Searched) -> None:
        self._features, self._protocol, self._searched = features, protocol, searched
        self._normalize = normalizes(protocol)
        unmatched = CONVENTIONS[protocol.rules].unmatched
        self._unmatched = 0.0 if unmatched == "zero" else math.nan

    def single(self, progress: Progress | None) -> PerQuery:
        query = self._features.query
        names = None if query.names is None else tuple(query.names)
        results = no_results(query.labels.pids, query.labels.camids, names, self._unmatched)
        rows = rows_of(query.features, normalize=self._normalize)
        self._fill(results, rows, query.labels, np.arange(len(query)), progress)
        if not results.matched.any():
            raise _unmatched()
        return results

    def multi(self, progress: Progress | None) -> PerQuery:
        query, boxes = self._features.query, self._features.boxes
        assert boxes is not None
        wanted, first = combinations(query.labels)
        names = None if query.names is None else tuple(query.names[i] for i in first)
        results = no_results(wanted.pids, wanted.camids, names, self._unmatched)
        rows = read_rows(boxes.features, "multi_features", normalize=self._normalize)
        pooled, found = pool(rows, boxes.labels, wanted, self._protocol.pooling)
        there = np.flatnonzero(found)
        queries = rows_of(pooled[there], normalize=self._normalize)
        self._fill(results, queries, wanted.take(there), there, progress)
        if not results.matched.any():
            raise UserError(
                "no multi-query has both boxes and a match in the gallery",
                "check the pids and camids of the boxes, or leave the boxes out",
            )
        return results

    def _fill(
        self, results: PerQuery, rows: Rows, labels: Labels, to: Int64s, progress: Progress | None
    ) -> None:
        """Enters the ranks of queries ``rows`` into ``results`` at the positions ``to``."""
        gallery, there = self._searched.gallery, self._searched.labels
        runs = self._searched.ranker.ranks(rows, labels, gallery, there, progress)
        for run in runs:
            results.record(to[run.query], run.ranks, run.offsets)


def evaluate_by(
    features: Features,
    settings: EvalConfig,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
    group: Group | None = None,
) -> Evaluated:
    """Evaluates features as a configuration's ``eval`` section asks for.

    Raises:
        UserError: the settings contradict each other, or as `evaluate`.
    """
    check_shared(settings, group or Alone())
    if settings.gallery == "single-shot":
        return _single_shot(features, settings, device, progress)
    return evaluate(
        features,
        protocol_of(settings),
        engine=settings.engine,
        device=device,
        progress=progress,
        ranker=_ranker(settings, device),
        group=group,
    )


def check_shared(settings: EvalConfig, group: Group) -> None:
    """Checks that several processes can share what the settings ask for.

    Raises:
        UserError: they cannot.
    """
    asked = {
        "--engine faiss": settings.engine != "count",
        "--index": settings.index is not None,
        "--rerank": settings.rerank != "none",
        "--expand": settings.expand != "none",
        "--gallery single-shot": settings.gallery != "all",
    }
    whole = [name for name, given in asked.items() if given]
    if group.size > 1 and whole:
        raise UserError(
            f"{' and '.join(whole)}: needs the whole gallery, {group.size} processes share it",
            f"leave {'them' if len(whole) > 1 else 'it'} out, or start one process",
            usage=True,
        )


def _single_shot(
    features: Features, settings: EvalConfig, device: str, progress: Progress | None
) -> Evaluated:
    """Evaluates drawn galleries; there is no multi-query in this protocol."""
    features, protocol = checked(features), protocol_of(settings)
    counting = _engine(settings.engine, device)
    ranker, undecided = _ranker(settings, device) or ExactRanker(counting), counting.undecided
    query, gallery = (
        rows_of(part.features, normalize=normalizes(protocol))
        for part in (features.query, features.gallery)
    )
    rules, shots = CONVENTIONS[protocol.rules], SingleShot(settings.trials, settings.trial_seed)
    labels, there = features.query.labels, features.gallery.labels
    counted = without_junk(gallery, there, junk_ignored=rules.junk_ignored)
    ranks = drawn_ranks(query, labels, *counted, ranker, shots, progress)
    if not ranks.any():
        raise _unmatched()
    names = None if features.query.names is None else tuple(features.query.names)
    unmatched = 0.0 if rules.unmatched == "zero" else math.nan
    mean, spread, single = trial_scores(ranks, labels, names, unmatched)
    quirks = {"not_reproduced": (*rules.not_reproduced, *rules.single_shot)}
    told = _rules(protocol, ranker, labels, there).model_copy(update=shots.told() | quirks)
    evaluation = Evaluation(single_query=mean, protocol=told, spread=spread)
    return Evaluated(evaluation, single, None, counting.undecided - undecided)


def _unmatched() -> UserError:
    return UserError(
        "no query has a match in the gallery (same pid, another camid)",
        "check the pids and camids of queries and gallery",
    )


def _ranker(settings: EvalConfig, device: str) -> Ranker | None:
    """Returns who ranks where that is not the exact engine alone."""
    ranker = _inner_ranker(settings, device)
    if settings.expand == "none":
        return ranker
    from reid_srdl.retrieval.expansion import ExpandedRanker

    inner = ranker or ExactRanker(_engine(settings.engine, device))
    return ExpandedRanker(inner, settings.expand, settings.expand_n, settings.expand_alpha)


def _inner_ranker(settings: EvalConfig, device: str) -> Ranker | None:
    if settings.rerank != "none":
        if settings.index is not None:
            raise UserError(
                "--rerank and --index: re-ranking needs all distances, an index has some",
                "leave one of them out",
                usage=True,
            )
        from reid_srdl.retrieval.rerank import KReciprocalRanker

        k1, k2 = settings.rerank_k1, settings.rerank_k2
        return KReciprocalRanker(k1, k2, settings.rerank_lambda)
    if settings.index is None:
        return None
    if settings.engine != "faiss":
        raise UserError(
            f"--index {settings.index}: the engine {settings.engine!r} has no index",
            "add --engine faiss",
            usage=True,
        )
    from reid_srdl.retrieval.approximate import ApproximateRanker

    return ApproximateRanker(settings.index, settings.retrieved, gpu=device.startswith("cuda"))


def protocol_of(settings: EvalConfig) -> Protocol:
    """Returns the protocol that a configuration's ``eval`` section asks for."""
    return Protocol(
        rules=settings.rules,
        distance=settings.distance,
        normalize=settings.normalize,
        pooling=settings.pooling,
        gallery=settings.gallery,
    )


def normalizes(protocol: Protocol) -> bool:
    """Says whether features are L2-normalised under ``protocol``."""
    return protocol.normalize or protocol.distance == "cosine"


def _rules(protocol: Protocol, ranker: Ranker, query: Labels, gallery: Labels) -> Rules:
    chosen = protocol.model_dump() | {"normalize": normalizes(protocol)}
    chosen["distractors"] = len(distractors(query, gallery))
    rules = Rules.model_validate(chosen | CONVENTIONS[protocol.rules].words())
    return rules.model_copy(update=ranker.told())


def _engine(engine: Literal["count", "faiss"] | Counting, device: str) -> Counting:
    if engine == "count":
        return CountEngine(device)
    if engine == "faiss":
        from reid_srdl.retrieval.search import SearchEngine

        if device != "cpu" and not re.fullmatch(r"cuda(:\d+)?", device):
            raise UserError(
                f"device {device!r} cannot be used by FAISS", "choose cpu or cuda", usage=True
            )
        return SearchEngine(gpu=device.startswith("cuda"))
    if isinstance(engine, str):
        raise UserError(f"no such engine {engine!r}", "choose count or faiss", usage=True)
    return engine
