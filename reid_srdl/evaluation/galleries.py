"""Where queries are searched for: in one gallery, whole or streamed, or in drawn ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reid_srdl.config.protocol import Protocol
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.evaluation.parts import normalizes
from reid_srdl.evaluation.single_shot import SingleShot
from reid_srdl.group.processes import Group
from reid_srdl.retrieval.features import FeatureSet
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.ranks import Engine, Ranker, without_junk
from reid_srdl.retrieval.rows import Rows, rows_of
from reid_srdl.retrieval.rules import counted
from reid_srdl.retrieval.streams.streaming import StreamedRanker
from reid_srdl.retrieval.streams.stretches import Stream


@dataclass(frozen=True)
class Draw:
    """One gallery, and who is searched for in it.

    Attributes:
        trial: its trial's number, from 0.
        queries: positions of the queries, ascending; None: all of them.
        rows, labels: its images.
    """

    trial: int
    queries: Int64s | None
    rows: Rows
    labels: Labels


@dataclass(frozen=True)
class Gallery:
    """What is searched, and who ranks it.

    Attributes:
        ranker: ranks the queries' matches.
        rows, labels: the images that count; of a stream those of the queries' identities alone,
            because its ranker reads the others by itself.
        positions: where these stand among all images that were given.
        shots: how galleries are drawn from these images; None: the images are the gallery.
        stream: all images, where they are streamed.
    """

    ranker: Ranker
    rows: Rows
    labels: Labels
    positions: Int64s
    shots: SingleShot | None = None
    stream: Stream | None = None

    @property
    def trials(self) -> int:
        """How often each query is searched for."""
        return 1 if self.shots is None else self.shots.trials

    def directionless(self) -> int:
        """Counts rows of zeros that cannot be L2-normalised; of a stream, in what was read here."""
        if self.stream is not None:
            return sum(self.stream.directionless.values())
        return self.rows.directionless()

    def draws(self, queries: Labels) -> Iterator[Draw]:
        """Yields the galleries in which these queries are searched for."""
        if self.shots is None:
            yield Draw(0, None, self.rows, self.labels)
            return
        for trial, own, kept in self.shots.draws(queries, self.labels):
            yield Draw(trial, own, self.rows.select(kept), self.labels.take(kept))


def whole(images: FeatureSet, protocol: Protocol, ranker: Ranker) -> Gallery:
    """Returns a gallery in memory, or what single-shot galleries are drawn from."""
    rows = rows_of(images.features, normalize=normalizes(protocol))
    junk_ignored = CONVENTIONS[protocol.rules].junk_ignored
    kept = without_junk(rows, images.labels, junk_ignored=junk_ignored)
    drawn = protocol.gallery == "single-shot"
    shots = SingleShot(protocol.trials, protocol.trial_seed) if drawn else None
    return Gallery(ranker, *kept, counted(images.labels, junk_ignored=junk_ignored), shots)


def streamed(
    images: FeatureSet, protocol: Protocol, engine: Engine, group: Group, queries: Labels
) -> Gallery:
    """Returns a gallery that is read a stretch at a time, shared by the processes of a group."""
    junk_ignored = CONVENTIONS[protocol.rules].junk_ignored
    return streamed_of(
        Stream(images, normalizes(protocol), junk_ignored), queries.pids, engine, group
    )


def streamed_of(stream: Stream, pids: Int64s, engine: Engine, group: Group) -> Gallery:
    """Returns a streamed gallery in which these identities are searched for."""
    positions, labels = stream.relevant(pids)
    ranker = StreamedRanker(engine, stream, positions, group)
    return Gallery(ranker, stream.rows(positions), labels, positions, stream=stream)
