"""Who is searched for: the queries and, where there are boxes, the multi-queries."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from reid_srdl.config.protocol import Protocol
from reid_srdl.evaluation.cameras import as_ruled
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.evaluation.keeping import Ranked
from reid_srdl.evaluation.parts import normalizes
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.metrics import PerQuery, no_results
from reid_srdl.retrieval.multi_query import combinations, pool
from reid_srdl.retrieval.rows import Rows, rows_of
from reid_srdl.retrieval.streams.stretches import read_rows


@dataclass(frozen=True)
class Queries:
    """Queries that are searched for, and the table that their results belong in.

    Attributes:
        rows: features of Q queries.
        labels: their labels, as the rules see them.
        places: Q rows of the table, which may have more: multi-queries without boxes.
        table: makes the table, in which nobody has a match yet.
        matches: all matches are put here as they are ranked; None: nobody keeps them.
    """

    rows: Rows
    labels: Labels
    places: Int64s
    table: Callable[[], PerQuery]
    matches: list[Ranked] | None = None


def queries(
    features: Features, protocol: Protocol, matches: list[Ranked] | None = None
) -> list[Queries]:
    """Returns the single queries and, with boxes and a whole gallery, the multi-queries.

    Args:
        features: checked.
        protocol: the rules, with `cameras.with_cameras` applied.
        matches: where those of single queries are put.
    """
    single = replace(_single(features.query, protocol), matches=matches)
    if features.boxes is None or protocol.gallery != "all":
        return [single]
    return [single, _multi(features.query, features.boxes, protocol)]


def _single(query: FeatureSet, protocol: Protocol) -> Queries:
    rows = rows_of(query.features, normalize=normalizes(protocol))
    names = None if query.names is None else tuple(query.names)
    table = _table(query.labels, names, protocol)
    labels = as_ruled(query.labels, protocol.same_camera)
    return Queries(rows, labels, np.arange(len(query)), table)


def _multi(query: FeatureSet, boxes: FeatureSet, protocol: Protocol) -> Queries:
    normalize = normalizes(protocol)
    wanted, first = combinations(query.labels)
    names = None if query.names is None else tuple(query.names[i] for i in first)
    rows = read_rows(boxes.features, "multi_features", normalize=normalize)
    pooled, found = pool(rows, boxes.labels, wanted, protocol.pooling)
    there = np.flatnonzero(found)
    labels = as_ruled(wanted.take(there), protocol.same_camera)
    pooled_rows = rows_of(pooled[there], normalize=normalize)
    return Queries(pooled_rows, labels, there, _table(wanted, names, protocol))


def _table(
    labels: Labels, names: tuple[str, ...] | None, protocol: Protocol
) -> Callable[[], PerQuery]:
    return partial(no_results, labels.pids, labels.camids, names, score_of_none(protocol))


def score_of_none(protocol: Protocol) -> float:
    """Returns what a query without a match scores."""
    return 0.0 if CONVENTIONS[protocol.rules].unmatched == "zero" else math.nan
