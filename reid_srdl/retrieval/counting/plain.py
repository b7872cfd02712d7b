"""The definition as code: every distance by the definition, every negative compared by itself.

What the counting engine returns is this, to the bit. It serves tests as an oracle and readers as
an explanation; it is thousands of times slower.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reid_srdl.retrieval.counting.pairs import exact_distances
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.rows import Rows


@dataclass
class PlainEngine:
    """An engine that compares each negative with each query's matches.

    Attributes:
        undecided: pairs that the definition has decided so far: all.
    """

    undecided: int = 0

    def slots(
        self,
        queries: Rows,
        images: Rows,
        targets: Targets,
        progress: Callable[[int], None] | None = None,
    ) -> Int64s:
        """Returns M slots: how many negatives are behind one match and ahead of the next."""
        slots = np.zeros(len(targets.query), np.int64)
        everyone = np.arange(len(images))
        for query in range(len(queries)):
            first, stop = targets.offsets[query : query + 2].tolist()
            whose = np.full(len(images), query)
            distances = exact_distances(queries, images, whose, everyone).tolist()
            own = targets.image[first:stop]
            known = targets.defined(np.arange(first, stop))
            matches = sorted(zip(known.tolist(), own.tolist(), strict=True))
            same = targets.same.image[targets.same.query == query]
            for negative in np.delete(everyone, same).tolist():
                # Equal distances by position; what is behind all matches counts for none.
                ahead = bisect_left(matches, (distances[negative], negative))
                if first + ahead < stop:
                    slots[first + ahead] += 1
            self.undecided += len(images) - len(same)
            if progress:
                progress(len(images))
        return slots
