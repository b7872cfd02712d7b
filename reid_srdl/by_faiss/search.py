"""The search engine: ranks from FAISS's exact search alone.

For each query FAISS returns everything nearer than its farthest match, or, where that is cheaper, a
sorted list that reaches at least as far. FAISS's distances count as the counting engine's do, and
borderline pairs are decided by the definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from reid_srdl.by_faiss.index import GPU_LIST, FlatIndex
from reid_srdl.retrieval.counting.count import Progress
from reid_srdl.retrieval.counting.counter import Counter
from reid_srdl.retrieval.counting.edges import Edges
from reid_srdl.retrieval.counting.frame import Frame, frame_for, placed_rows, squared_norms
from reid_srdl.retrieval.counting.tallies import tally
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.counting.windows import Float32s, Reach, window
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.rows import Rows

_ANSWERS = 1 << 22  # answers that one search may return: 48 MiB, twice while FAISS joins them
_INDEX_VALUES = 1 << 28  # feature values in one index: 1 GiB
_SHORT = 1024  # galleries up to this long are listed whole

Answer = tuple[int, Float32s, Int64s]


@dataclass
class SearchEngine:
    """Evaluates from FAISS's IndexFlatL2.

    Attributes:
        list_length: how far down a query's sorted list to ask before the radius search is asked for
            what is still missing: 0 asks by radius alone, the gallery's length for full lists.
            None: full lists of short galleries, GPU's longest lists on GPU, else 0.
        gpu: let a GPU answer, where FAISS sees one.
        query_rows, gallery_rows: queries per search, images per index; None: by memory.
        undecided: pairs that the definition has decided so far.
    """

    list_length: int | None = None
    query_rows: int | None = None
    gallery_rows: int | None = None
    gpu: bool = False
    undecided: int = field(default=0, init=False)

    def slots(
        self, queries: Rows, images: Rows, targets: Targets, progress: Progress | None = None
    ) -> Int64s:
        """Returns the M matches' slots over these images (see `counter`)."""
        frame = frame_for(queries, images)
        counter = Counter(queries, images, targets, frame.scale)
        rows = self.gallery_rows or max(1, _INDEX_VALUES // images.dim)
        for start in range(0, len(images), rows):
            stop = min(start + rows, len(images))
            index = FlatIndex(frame, images, start, stop, gpu=self.gpu)
            searching = _Search(index, frame, queries, targets)
            edges = Edges(targets, searching.low, searching.high)
            step = self.query_rows or max(1, _ANSWERS // len(index))
            for first in range(0, len(queries), step):
                last = min(first + step, len(queries))
                for query, values, positions in searching.answers(first, last, self._length(index)):
                    if found := tally(edges, query, values[None]):
                        counter.add(edges, query, found, positions[found.column])
                if progress:
                    progress((last - first) * len(index))
        counter.settle()
        self.undecided += counter.undecided
        return counter.slots

    def _length(self, index: FlatIndex) -> int:
        if self.list_length is not None:
            return min(self.list_length, len(index))
        if len(index) <= _SHORT:
            return len(index)
        return min(GPU_LIST, len(index)) if index.on_gpu else 0


class _Search:
    """The queries of one evaluation, put to one index."""

    def __init__(self, index: FlatIndex, frame: Frame, queries: Rows, targets: Targets) -> None:
        self._index, self._targets = index, targets
        self._placed = placed_rows(frame, queries)
        # Each query's own radius (its last match's distance), and what lifts it to the largest.
        radii = frame.scale**2 * np.maximum(targets.distances[targets.offsets[1:] - 1], 0)
        self._z = np.sqrt(radii.max() - radii).astype(np.float32)
        lifts = self._z.astype(np.float64) ** 2
        squares = squared_norms(self._placed)
        error = index.error(np.sqrt(squares + lifts))
        query = targets.query
        reach = Reach(
            queries.dim,
            frame.scale,
            np.sqrt(squares)[query],
            index.largest_norm,
            -lifts[query],
            error[query],
        )
        self.low, self.high = window(targets.distances, reach, targets.slack)
        self._radius = float(np.nextafter(self.high.max(), np.float32(np.inf)))

    def answers(self, first: int, last: int, length: int) -> Iterator[Answer]:
        """Yields (query, distances, positions), matches and ignored images left out."""
        placed, z = self._placed[first:last], self._z[first:last]
        rows = np.arange(first, last)
        if length:
            distances, positions = self._index.nearest(placed, z, length)
            far_enough = (distances[:, -1] >= self._radius) | (length == len(self._index))
            for row in np.flatnonzero(far_enough).tolist():
                yield self._negatives(first + row, distances[row], positions[row])
            rows, placed, z = rows[~far_enough], placed[~far_enough], z[~far_enough]
        if len(rows):
            limits, distances, positions = self._index.within(placed, z, self._radius)
            for row, query in enumerate(rows.tolist()):
                part = slice(limits[row], limits[row + 1])
                yield self._negatives(query, distances[part], positions[part])

    def _negatives(self, query: int, distances: Float32s, positions: Int64s) -> Answer:
        same = self._targets.same
        own = same.image[slice(*np.searchsorted(same.query, [query, query + 1]).tolist())]
        if not len(own):
            return query, distances, positions
        place = np.minimum(np.searchsorted(own, positions), len(own) - 1)
        kept = own[place] != positions
        return query, distances[kept], positions[kept]
