"""Each query's true matches, which negatives must beat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reid_srdl.retrieval.counting.windows import Float64s
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.rules import SamePid


@dataclass(frozen=True)
class Targets:
    """The M matches of Q queries.

    Attributes:
        same: all same-identity pairs, which never count as negatives.
        offsets: Q + 1 positions; query i has matches offsets[i] to offsets[i + 1].
        query: M query positions.
        image: M positions of the matches among the images that are counted.
        distances: M estimates of the squared Euclidean distances, ascending within a query.
        slack: M bounds, one for each query: the definition is within distances +- slack.
        defined: the definition's distances of some of the matches.
    """

    same: SamePid
    offsets: Int64s
    query: Int64s
    image: Int64s
    distances: Float64s
    slack: Float64s
    defined: Callable[[Int64s], Float64s] = field(repr=False, compare=False)

    def select(self, queries: Int64s) -> tuple[Targets, Int64s]:
        """Returns the targets of some queries, renumbered, and which of the M matches these are."""
        kept = np.zeros(len(self.offsets) - 1, np.bool_)
        kept[queries] = True
        number = np.cumsum(kept) - 1
        matches, pairs = np.flatnonzero(kept[self.query]), np.flatnonzero(kept[self.same.query])
        same = SamePid(
            number[self.same.query[pairs]], self.same.image[pairs], self.same.match[pairs]
        )
        selected = Targets(
            same,
            np.concatenate([[0], np.cumsum(np.diff(self.offsets)[kept])]),
            number[self.query[matches]],
            self.image[matches],
            self.distances[matches],
            self.slack[matches],
            lambda some: self.defined(matches[some]),
        )
        return selected, matches

    def between(
        self, low: Int64s, high: Int64s, nearest: Float64s, farthest: Float64s
    ) -> tuple[Int64s, Int64s]:
        """Finds how many matches are ahead of P images at least, and at most.

        Args:
            low, high: the matches that are in question; those before are ahead of the image.
            nearest, farthest: what the images' distances are, at least and at most.

        Returns:
            (least, most), P positions of the first match that is behind.
        """

        def surely(match: Int64s, pair: Int64s) -> Any:
            return self.distances[match] + self.slack[match] < nearest[pair]

        def perhaps(match: Int64s, pair: Int64s) -> Any:
            return self.distances[match] - self.slack[match] <= farthest[pair]

        least = _bisected(low, high, surely)
        return least, _bisected(least, high, perhaps)  # what is surely ahead is perhaps ahead

    def position(self, low: Int64s, high: Int64s, distances: Float64s, image: Int64s) -> Int64s:
        """Finds where P images stand among matches, by (distance, position).

        Args:
            low, high: the matches that are in question; by the definition, all those before are
                ahead of the image and all those after are behind.
            distances: P distances by the definition.
            image: P positions of the images.

        Returns:
            P positions of the first match that is behind; ``high`` where there is none among them.
        """
        # Runs of matches, each once, its matches put into the definition's order.
        starts, run = np.unique(low, return_inverse=True)
        stops = np.zeros_like(starts)
        np.maximum.at(stops, run, high)
        sizes = stops - starts
        ends = np.cumsum(sizes)
        matches = np.arange(ends[-1]) + np.repeat(starts - (ends - sizes), sizes)
        whose = np.repeat(np.arange(len(starts)), sizes)
        found, at = self.defined(matches), self.image[matches]
        order = np.lexsort((at, found, whose))
        found, at = found[order], at[order]

        def ahead(match: Int64s, pair: Int64s) -> Any:
            there, d = found[match], distances[pair]
            return (there < d) | ((there == d) & (at[match] < image[pair]))

        first = (ends - sizes)[run]
        behind = _bisected(first, first + sizes[run], ahead)
        behind += low - first
        return behind


def _bisected(low: Int64s, high: Int64s, ahead: Callable[[Int64s, Int64s], Any]) -> Int64s:
    """Returns for each of P runs the first element that is not ahead, or the run's end."""
    low, high = low.copy(), high.copy()
    open_ = np.flatnonzero(low < high)
    while open_.size:
        middle = (low[open_] + high[open_]) // 2
        before = ahead(middle, open_)
        low[open_[before]] = middle[before] + 1
        high[open_[~before]] = middle[~before]
        open_ = open_[low[open_] < high[open_]]
    return low
