"""What an evaluation keeps of its ranking: values alone, which `records.kept_ranks` writes.

The first images of each query, the matches that stand farther down with their ranks, and figures
by query and gallery camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OTHER, MATCH, IGNORED = 0, 1, 2  # what a listed image is to its query
KEPT = 20  # images that count, per query

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """N images that are named: queries, or those of the gallery that a list shows.

    Attributes:
        positions: N positions in the data set's part.
        pids, camids: N each.
        names: N names; empty texts where the features came without.
    """

    positions: Ints
    pids: Ints
    camids: Ints
    names: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True)
class CameraFigures:
    """Scores of the queries of A cameras, each in the gallery of one of B cameras alone.

    Attributes:
        query, gallery: A and B cameras, ascending.
        queries: A x B numbers of queries that were scored.
        mAP, rank1, mINP: A x B fractions; NaN where no query was scored.
    """

    query: Ints
    gallery: Ints
    queries: Ints
    mAP: NDArray[np.float64]  # noqa: N815 - the field's own name
    rank1: NDArray[np.float64]
    mINP: NDArray[np.float64]  # noqa: N815


@dataclass(frozen=True)
class KeptRanks:
    """The top of a ranking of Q queries.

    Attributes:
        queries: who asks.
        images: the gallery images that are listed or missed.
        offsets: Q + 1; query i lists offsets[i] to offsets[i + 1].
        listed: positions in ``images``, nearest first, up to 20 that count, and those before the
            last of these that do not.
        distances: float32, what they were ranked by.
        kinds: OTHER, MATCH or IGNORED (the query's identity by its own camera).
        missed_offsets: Q + 1, likewise of the matches that are not listed.
        missed: positions in ``images``, by rank.
        missed_ranks: from 1, ignored images left out; 0: not retrieved.
        measure: which distance it is.
        cameras: figures by camera; None: there are none.
        cameras_note: why there are none.
    """

    queries: Images
    images: Images
    offsets: Ints
    listed: Ints
    distances: NDArray[np.float32]
    kinds: NDArray[np.uint8]
    missed_offsets: Ints
    missed: Ints
    missed_ranks: Ints
    measure: str
    cameras: CameraFigures | None = None
    cameras_note: str = ""

    def __len__(self) -> int:
        return len(self.queries)

    def list_of(self, query: int) -> slice:
        """Returns where a query's list stands."""
        return slice(int(self.offsets[query]), int(self.offsets[query + 1]))

    def missed_of(self, query: int) -> slice:
        """Returns where a query's missed matches stand."""
        return slice(int(self.missed_offsets[query]), int(self.missed_offsets[query + 1]))
