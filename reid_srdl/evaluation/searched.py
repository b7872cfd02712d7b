"""What queries search: a gallery in memory, or one that is streamed, as a ranker wants it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation.by_camera import fitted
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.evaluation.keeping import streamed_lists
from reid_srdl.evaluation.parts import normalizes
from reid_srdl.group.processes import Alone, Group
from reid_srdl.retrieval.by_faiss.listing import RankList
from reid_srdl.retrieval.features import FeatureSet
from reid_srdl.retrieval.labels import JUNK, Int64s, Labels
from reid_srdl.retrieval.ranks import Engine, Lister, Ranker, without_junk
from reid_srdl.retrieval.rows import Rows, rows_of
from reid_srdl.retrieval.rules import counted
from reid_srdl.retrieval.streams.streaming import StreamedRanker
from reid_srdl.retrieval.streams.stretches import StreamedGallery


@dataclass(frozen=True)
class Searched:
    """The gallery as ``ranker`` wants it.

    Attributes:
        ranker: who ranks.
        gallery, labels: the images that count; of a streamed gallery the queries' identities'.
        positions: where these stand in the gallery that was given.
        stream: the whole of a gallery that is streamed.
    """

    ranker: Ranker
    gallery: Rows
    labels: Labels
    positions: Int64s
    stream: StreamedGallery | None = None

    def only(self, camera: int) -> Searched:
        """Returns the gallery of one camera alone.

        Raises:
            UserError: rules by which junk counts, and a gallery that is never in memory whole.
        """
        if self.stream is not None:
            assert isinstance(self.ranker, StreamedRanker)
            return self._stream_of(self.stream, self.ranker.engine, camera)
        own = np.flatnonzero(self.labels.camids == camera)
        ranker = fitted(self.ranker, len(own))
        gallery, labels = self.gallery.select(own), self.labels.take(own)
        return replace(
            self, ranker=ranker, gallery=gallery, labels=labels, positions=self.positions[own]
        )

    def _stream_of(self, stream: StreamedGallery, engine: Engine, camera: int) -> Searched:
        """Returns a streamed gallery in which all other cameras' images are junk."""
        if not stream.junk_ignored:
            raise UserError("junk counts: a streamed gallery cannot leave cameras out", "")
        part = stream.part
        camids = np.asarray(part.camids)
        pids = np.where(camids == camera, np.asarray(part.pids), JUNK)
        masked = replace(stream, part=replace(part, pids=pids, camids=camids))
        return streamed_of(masked, np.unique(self.labels.pids), engine, Alone())

    def lists(
        self, queries: Rows, labels: Labels, k: int, protocol: Protocol
    ) -> Iterator[RankList]:
        """Yields the first k images of each query, by positions in the gallery that was given."""
        if self.stream is not None:
            yield from streamed_lists(queries, labels, self.stream, k, protocol.distance)
            return
        ranker: Lister = self.ranker  # type: ignore[assignment] # all of whole galleries can list
        k = min(k, len(self.labels))
        there = self.gallery, self.labels
        for found in ranker.lists(queries, labels, *there, k, protocol.distance):
            yield replace(found, gallery=self.positions[found.gallery])


def whole(part: FeatureSet, protocol: Protocol, ranker: Ranker) -> Searched:
    """Returns a gallery in memory."""
    rows = rows_of(part.features, normalize=normalizes(protocol))
    junk_ignored = CONVENTIONS[protocol.rules].junk_ignored
    gallery, labels = without_junk(rows, part.labels, junk_ignored=junk_ignored)
    return Searched(ranker, gallery, labels, counted(part.labels, junk_ignored=junk_ignored))


def streamed(
    part: FeatureSet, pids: Int64s, protocol: Protocol, engine: Engine, group: Group
) -> Searched:
    """Returns a gallery that is never in memory whole; ``pids`` are the queries'."""
    junk_ignored = CONVENTIONS[protocol.rules].junk_ignored
    return streamed_of(
        StreamedGallery(part, normalizes(protocol), junk_ignored), pids, engine, group
    )


def streamed_of(stream: StreamedGallery, pids: Int64s, engine: Engine, group: Group) -> Searched:
    """Returns a streamed gallery with the images of these identities."""
    positions, labels = stream.relevant(pids)
    ranker = StreamedRanker(engine, stream, positions, group)
    return Searched(ranker, stream.rows(positions), labels, positions, stream)
