"""What a leaderboard is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reid_srdl.records.facts import DatasetFacts
from reid_srdl.records.statistics import Measure

Scores = dict[str, Measure | None]  # by metric, fractions; None where there was no evaluation


@dataclass(frozen=True)
class Row:
    """The runs of one experiment: one configuration, several seeds; or features from elsewhere.

    Attributes:
        dataset: what was trained and evaluated on.
        network: the network's name; for features from elsewhere the record's.
        method: the method's name.
        label: the method with its non-default options, and in brackets what else sets this row
            apart from others of the same data set and network: ``srdl [optim.lr=0.05]``.
        experiment: fingerprint of the configuration without the seed.
        runs: names of the runs, by seed.
        seeds: their seeds, ascending.
        scores: mean and deviation over the seeds, by the task's metrics, fractions from 0 to 1.
        trcost: TrCost of one run, 10^16: forward passes.
        work: all that one run computed, 10^16, finished teachers included.

    What was not trained here has no method, seeds, parameters, epochs, trcost and work.
    """

    dataset: DatasetFacts
    network: str
    method: str | None
    label: str
    experiment: str
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    parameters: int | None
    epochs: int | None
    trcost: float | None
    work: float | None
    scores: Scores


@dataclass(frozen=True)
class Gain:
    """What a method gains over vanilla, all else being equal.

    Attributes:
        label: ``gain (SRDL - vanilla)``.
        row, baseline: the two rows that are compared.
        paired: True where both have the same seeds and the differences are taken seed by seed.
        scores: gain as a fraction, by the task's metrics.
        p: of the paired t-test, by metric, where at least five seeds pair.
    """

    label: str
    row: Row
    baseline: Row
    paired: bool
    scores: Scores
    p: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Leaderboard:
    """Rows and gains, sorted by data set and network, vanilla first; notes for the reader.

    Rows of features from elsewhere stand last in their data set.
    """

    rows: tuple[Row, ...]
    gains: tuple[Gain, ...]
    notes: tuple[str, ...]
