"""Which queries of a kept ranking are shown: the worst, the best, random ones, or named ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.retrieval.kept import IGNORED, MATCH, KeptRanks
from reid_srdl.seeds import generator


@dataclass(frozen=True)
class Choice:
    """What is asked for; of several ways the first that is given.

    Attributes:
        names: these queries.
        best, random: those of the highest average precision, or any, the same ones each time.
        count: how many; without any other wish, of the lowest average precision.
    """

    names: tuple[str, ...] = ()
    best: bool = False
    random: bool = False
    count: int = 20


def average_precisions(kept: KeptRanks) -> NDArray[np.float64]:
    """Returns Q average precisions, from the ranks of listed and missed matches; NaN without."""
    found = np.full(len(kept), np.nan)
    for query in range(len(kept)):
        kinds = kept.kinds[kept.list_of(query)]
        first = 1 + np.flatnonzero(kinds[kinds != IGNORED] == MATCH)
        far = kept.missed_ranks[kept.missed_of(query)]
        ranks = np.concatenate([first, np.where(far > 0, far, np.inf)])
        if len(ranks):
            found[query] = (np.arange(1, len(ranks) + 1) / ranks).mean()
    return found


def chosen(kept: KeptRanks, choice: Choice) -> list[int]:
    """Returns positions of queries, in the order that they are shown.

    Raises:
        UserError: a name that no query has.
    """
    names = kept.queries.names.tolist()
    if choice.names:
        return [_named(name, names) for name in choice.names]
    precision = average_precisions(kept)
    scored = np.flatnonzero(~np.isnan(precision))
    if choice.random:
        drawn = generator(0, "pictures").permutation(len(scored))[: choice.count]
        return [int(query) for query in scored[np.sort(drawn)]]
    order = np.argsort(-precision[scored] if choice.best else precision[scored], kind="stable")
    return [int(query) for query in scored[order[: choice.count]]]


def first_of(kept: KeptRanks, query: int, kind: int) -> tuple[int, int] | None:
    """Returns the nearest image of a kind that a query found.

    Args:
        kept: the ranking's top.
        query: whose.
        kind: MATCH, also beyond the list, or OTHER.

    Returns:
        Its position in ``kept.images`` and its rank from 1, 0 where an index did not retrieve it;
        None: none is known.
    """
    part, far = kept.list_of(query), kept.missed_of(query)
    kinds = kept.kinds[part]
    if len(places := np.flatnonzero(kinds == kind)):
        first = int(places[0])
        rank = int((kinds[: first + 1] != IGNORED).sum())
        return int(kept.listed[part][first]), rank
    if kind == MATCH and far.start < far.stop:
        return int(kept.missed[far.start]), int(kept.missed_ranks[far.start])
    return None


def _named(name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise UserError(f"--queries {name}: no such query", did_you_mean(name, names), usage=True)
    return names.index(name)
