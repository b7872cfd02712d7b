"""What a task is: something to train on, and a way to judge networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from reid_srdl.data.batches import TrainingSet
from reid_srdl.records.metrics import Result
from reid_srdl.records.queries import ScoredQueries
from reid_srdl.records.run import DatasetFacts
from reid_srdl.retrieval.kept import KeptRanks
from reid_srdl.training.fitting import Judge
from reid_srdl.training.values import Model

Noted = Callable[[str], None]  # told something worth a line, such as what was left out
Steps = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Piece:
    """A part of an evaluation.

    Attributes:
        name: as `Steps` is told of it.
        images: how many pass through networks, in all.
        work: multiply-accumulates of these passes.
    """

    name: str
    images: int
    work: float


@dataclass(frozen=True)
class Judged:
    """What a network, or an ensemble of some, came to.

    Attributes:
        result: its scores.
        per_query: results of each query; None where the task has no queries.
        further: of a joint data set, whose first set this is: what it came to on the others, in
            their order.
        kept: the top of the ranking; None where there is none.
    """

    result: Result
    per_query: ScoredQueries | None = None
    further: tuple[Judged, ...] = ()
    kept: KeptRanks | None = None


class Task(Protocol):
    """A data set opened for training and evaluation.

    Attributes:
        facts: what it holds.
        classes: the names of its classes or identities, in the order of their labels.
        training_set: the labelled training images, without those that are held out.
        judge_epoch: scores a network on what is held out, see `tasks.validation`; None: nothing
            is.
    """

    facts: DatasetFacts
    classes: tuple[str, ...]
    training_set: TrainingSet
    judge_epoch: Judge | None

    def judge(
        self, models: Mapping[str, Model], ensembles: Mapping[str, Sequence[Model]]
    ) -> dict[str, Judged]:
        """Evaluates models by name, and ensembles of models by name.

        A model of a view is judged on the test images of its classes alone, where the task has
        classes. Several processes call it together; what number 0 has then counts.
        """
        ...

    def passes(self, name: str) -> dict[str, int]:
        """Returns how many images `judge` shows to a network of this name, by what `Steps` says."""
        ...
