"""What a task is: something to train on, and a way to judge networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from reid_srdl.data.batches import TrainingSet
from reid_srdl.models.network import Network
from reid_srdl.records.metrics import Result
from reid_srdl.records.run import DatasetFacts, PerQuery

Steps = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Judged:
    """What a network, or an ensemble of some, came to.

    Attributes:
        result: its scores.
        per_query: results of each query; None where the task has no queries.
    """

    result: Result
    per_query: PerQuery | None = None


class Task(Protocol):
    """A data set opened for training and evaluation.

    Attributes:
        facts: what it holds.
        classes: C, the outputs of a classifier.
        training_set: the labelled training images.
    """

    facts: DatasetFacts
    classes: int
    training_set: TrainingSet

    def judge(
        self, networks: Mapping[str, Network], ensembles: Mapping[str, Sequence[Network]]
    ) -> dict[str, Judged]:
        """Evaluates networks by name, and ensembles of networks by name."""
        ...
