"""Networks by test sets: what one network scores on another set than its own, and what it costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Score:
    """A score as a fraction, and its interval over the queries' identities (None: too few)."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Cell:
    """One network on one set.

    Attributes:
        dataset: the set's name.
        own: whether the network was trained on it (on its training images).
        rank1, mAP: single-query scores; mAP as the rules' own code computes it.
        rules: whose rules these are.
        queries, gallery: images.
    """

    dataset: str
    own: bool
    rank1: Score
    mAP: Score  # noqa: N815 - the field's own name
    rules: str
    queries: int
    gallery: int


@dataclass(frozen=True)
class CrossedNetwork:
    """One network.

    Attributes:
        run: the run's folder.
        network: its name there.
        size: (height, width) of its input, in pixels.
        dim: length of its embedding, D.
        parameters: with the classifier.
        images_per_second: forward passes, measured in turns with the others; the fastest turn.
        cells: one for each set, in the order that was given.
    """

    run: str
    network: str
    size: tuple[int, int]
    dim: int
    parameters: int
    images_per_second: float
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Crossed:
    """Networks by test sets.

    Attributes:
        networks: in the order that was given.
        device: what computed the features.
        images, turns: how the speed was measured: images of a turn, and turns of each network.
        resamples, confidence: of the intervals.
    """

    networks: tuple[CrossedNetwork, ...]
    device: str
    images: int
    turns: int
    resamples: int
    confidence: float

    def as_json(self) -> dict[str, Any]:
        """Returns it as plain values."""
        return asdict(self)
