"""k-reciprocal re-ranking in bounded memory.

Zhong et al., Re-ranking Person Re-identification with k-reciprocal Encoding, CVPR 2017. Over all
N = Q + G images (queries and gallery), with d(p, j) the squared Euclidean distance divided by the
largest one from p (as the authors' code has it: theirs is the column's maximum, then transposed):

    N(p, k)    the k nearest to p (p itself comes first, so lists have k + 1 entries)
    R(p, k)    = {j in N(p, k): p in N(j, k)}                                            equation 2
    R*(p, k1)  = R(p, k1) and every R(c, k1/2), c in R(p, k1), of which R(p, k1) holds
               more than 2/3                                                             equation 3
    V[p, j]    = exp(-d(p, j)) for j in R*(p, k1), else 0; each row divided by its sum   equation 7
    V[p]       = mean of V[j] over the k2 nearest j of p                                equation 11
    J(p, j)    = 1 - m / (2 - m), m = sum over z of min(V[p, z], V[j, z])               equation 10
    final      = (1 - lambda) J + lambda d                                              equation 12

No N x N matrix exists: the nearest and the largest distance of each image come from bounds and a
few distances (see `neighbours`), the sets and V are sparse (see `encoding`), and final distances
are computed where a rank depends on them (see `jaccard`, `ranked`).

NOTE: distances are float32, as FAISS computes them for single pairs (final ones float64); products
only exclude pairs, by proven bounds. So ranks depend on no block and no number of threads, but,
unlike ranks by distance, may differ in near-ties from machine to machine. Junk takes no part;
images of the query's own identity and camera do, as anything unlabelled would, until ranks are
counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.reranking.encoding import encoded
from reid_srdl.reranking.jaccard import FinalDistances, Shared
from reid_srdl.reranking.neighbours import find_neighbours
from reid_srdl.reranking.ranked import reranked
from reid_srdl.retrieval.arithmetic.parallel import each, parts
from reid_srdl.retrieval.counting.frame import Frame, frame_for, squared_norms
from reid_srdl.retrieval.labels import Labels
from reid_srdl.retrieval.lists import RankList, counts
from reid_srdl.retrieval.ranks import Ranks
from reid_srdl.retrieval.rows import Rows

_STEP = 1 << 16  # feature values placed at once: what stays in cache

Float32s = NDArray[np.float32]


@dataclass(frozen=True)
class KReciprocalRanker:
    """Ranks by the re-ranked distance.

    Attributes:
        k1: neighbours that may be reciprocal.
        k2: neighbours over which V is averaged; 1: none.
        lambda_: weight of the original distance.
        power: of the normalised distance d: 2 for torchreid's own, whose engine squares again what
            is squared; junk counts there.
    """

    independent: ClassVar[bool] = False  # queries are each other's neighbours

    k1: int = 20
    k2: int = 6
    lambda_: float = 0.3
    power: Literal[1, 2] = 1

    def ranks(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Ranks]:
        """Yields the ranks of all matches; all queries take part as neighbours.

        Raises:
            UserError: k1 or k2 does not fit the number of images.
        """
        if len(queries):
            final, shared = self.prepared(queries, gallery, progress)
            yield from reranked(final, shared, query_labels, gallery_labels)

    def lists(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        k: int,
        distance: str,
    ) -> Iterator[RankList]:
        """Yields the first k images of each query, with their final distances."""
        prepared = self.prepared(queries, gallery)
        yield from self.first_images(prepared, query_labels, gallery_labels, k, distance)

    def first_images(
        self,
        prepared: tuple[FinalDistances, Shared],
        query_labels: Labels,
        gallery_labels: Labels,
        k: int,
        distance: str,
    ) -> Iterator[RankList]:
        """Yields the same from what `prepared` returned."""
        final, shared = prepared
        everyone = np.arange(len(gallery_labels))
        for query in range(len(query_labels)):
            own = shared.of(np.array([query]))
            # Who shares a neighbour, and all where others may be as near as the last of these.
            for some in (own.column, everyone):
                positions = some[counts(query, query_labels, gallery_labels, some)]
                m = own.of(np.zeros_like(positions), positions)
                distances = final.pairs(np.full_like(positions, query), positions, m)
                first = np.lexsort((positions, distances))[:k]
                if len(first) == k and distances[first[-1]] < final.unshared:
                    break
            match = gallery_labels.pids[positions[first]] == query_labels.pids[query]
            measure = f"k-reciprocal of {distance}"
            yield RankList(query, positions[first], distances[first], match, measure)

    def prepared(
        self,
        queries: Rows,
        gallery: Rows,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FinalDistances, Shared]:
        """Returns the final distances and what images share."""
        count = len(queries) + len(gallery)
        if not 1 <= self.k2 <= self.k1 + 1 <= count:
            raise UserError(
                f"k1 = {self.k1}, k2 = {self.k2} for {count:,} images",
                f"choose --rerank-k1 from 1 to {count - 1}, and --rerank-k2 from 1 to k1 + 1",
                usage=True,
            )
        frame = frame_for(queries, gallery)
        x = _placed(frame, queries, gallery)
        squares = squared_norms(x)
        found = find_neighbours(x, squares, self.k1 + 1, progress)
        v = encoded(x, found, self.k1, self.k2, self.power)
        shared = Shared(v, len(queries))
        final = FinalDistances(
            x, squares, found.largest, len(queries), self.lambda_, power=self.power
        )
        return final, shared

    def told(self) -> dict[str, str]:
        """Names the method and its parameters."""
        what = "squared Euclidean distances over each image's largest; junk takes no part"
        if self.power == 2:
            what = (
                "as torchreid's engine calls its re_ranking, in wider arithmetic: distances "
                "squared again, over each image's largest; pid -1 takes part"
            )
        return {
            "rerank_note": f"k-reciprocal (Zhong et al. 2017): k1 {self.k1}, k2 {self.k2}, "
            f"lambda {self.lambda_:g}; {what}"
        }


def _placed(frame: Frame, *sides: Rows) -> Float32s:
    """Returns p(x) of all rows, one side after the other (see `frame`)."""
    x = np.empty((sum(map(len, sides)), sides[0].dim), np.float32)
    first = 0
    for rows in sides:
        placed = x[first : first + len(rows)]

        def place(part: tuple[int, int], rows: Rows = rows, placed: Float32s = placed) -> None:
            placed[slice(*part)] = frame.place(rows.block(*part))

        list(each(place, parts(len(rows), max(1, _STEP // rows.dim))))
        first += len(rows)
    return x
