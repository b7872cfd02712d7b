"""The typed record of a finished run, of an imported network, or of features made elsewhere.

It holds everything that a table, a study or a figure needs. What depends on the clock or on
interruptions is called ``created``, ``seconds``, ``images_per_second`` or ``timing``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue, model_validator

from reid_srdl.records.cost import NO_WORK, Cost, NetworkFacts, Phase, Timing, Work
from reid_srdl.records.evaluated import Evaluated, EvaluationData, EvaluationsRecord
from reid_srdl.records.facts import DatasetFacts, Device, MethodFacts, Versions
from reid_srdl.records.metrics import Result
from reid_srdl.records.part import Count, RecordPart

__all__ = [
    "NO_WORK",
    "AnyRecord",
    "Cost",
    "DatasetFacts",
    "Device",
    "Evaluated",
    "EvaluationData",
    "FeaturesRecord",
    "ImportedFacts",
    "ImportedRecord",
    "MethodFacts",
    "NetworkFacts",
    "NetworkRecord",
    "Phase",
    "RunRecord",
    "Timing",
    "Versions",
    "Work",
]


class _Record(EvaluationsRecord):
    """What all kinds of record have.

    Attributes:
        name: its name, as its folder is called.
        experiment: fingerprint of all that makes the numbers but the seed.
        dataset: what the network was trained and judged on.
        evaluations: each network that was judged, the result first, none twice on one data set.
        config: the configuration, as a plain tree.
    """

    name: str
    status: Literal["finished"] = "finished"
    experiment: str
    dataset: DatasetFacts
    config: dict[str, JsonValue]

    @model_validator(mode="after")
    def _names_are_unlike(self) -> _Record:
        judged = [(one.network, one.data.name) for one in self.evaluations]
        if len(set(judged)) < len(judged):
            told = ", ".join(f"{network} on {data}" for network, data in judged)
            raise ValueError(f"evaluations: a network stands twice in {told}")
        return self

    @property
    def network(self) -> str:
        """The name of the network that is the result."""
        return self.evaluations[0].network

    @property
    def result(self) -> Result | None:
        """The result: the evaluation of the first network."""
        return self.evaluations[0].result

    @property
    def results(self) -> dict[str, Result | None]:
        """The result of each network by its name, the first one first; of a joint set's first."""
        found: dict[str, Result | None] = {}
        for one in self.evaluations:
            found.setdefault(one.network, one.result)
        return found

    def evaluation(self, network: str) -> Evaluated | None:
        """Returns the evaluation of a network by its name; None where there is none."""
        return next((one for one in self.evaluations if one.network == network), None)


class RunRecord(_Record):
    """One finished run.

    Attributes:
        config: the whole resolved configuration, but for places.
        experiment: fingerprint of the configuration without the seed (and without what changes no
            number, or stands elsewhere in the record, such as the precision): equal for runs that
            differ in nothing but the seed and in where they ran.
        model: the network's name.
        epochs: epochs in all, M in the SRDL paper.
        parameters: of the run's network, classifier included.
        work: what all phases of this run computed; finished teachers' is in ``cost``.
        evaluations: what the method returned, the run's result first, then ensembles
            (``srdl+first``); ``result`` None where the evaluation was left out.
        timing: who computed it.
        norm_parts: of how many parts of a batch batch norms took the statistics, each by itself:
            it changes the result. Several numbers where the run went on with another one.
    """

    method: MethodFacts
    model: str
    seed: Count
    epochs: int = Field(ge=1)
    parameters: Count
    work: Work
    cost: Cost
    phases: tuple[Phase, ...] = ()
    timing: Timing = Timing()
    norm_parts: tuple[Count, ...] = (1,)

    @property
    def label(self) -> str:
        """How tables name what trained it: the method, with its options."""
        return self.method.label

    @property
    def marks(self) -> tuple[str, ...]:
        """What is wrong with networks that its phases ended with: ``second is at chance``."""
        return tuple(
            f"{name} is {mark}"
            for phase in self.phases
            for name, facts in phase.networks.items()
            for mark in facts.marks
        )

    @property
    def true_work(self) -> Work:
        """What the result took in all, finished teachers included."""
        return self.work + self.cost.teachers_work


class FeaturesRecord(_Record):
    """Features that were not made here, evaluated: no method, no training, no cost.

    Attributes:
        config: the ``eval`` section.
        experiment: digest of the features and of the settings.
    """

    method: None = None
    model: None = None
    seed: None = None
    epochs: None = None
    parameters: None = None
    work: None = None
    cost: None = None
    phases: tuple[()] = ()


class ImportedFacts(RecordPart):
    """Where an imported network comes from.

    Attributes:
        file: the file's name.
        digest: SHA-256 of its content.
        code: whose it is, e.g. ``torchreid``.
        classes: C, the classifier's outputs.
        notes: what of it was left out or assumed, a line each.
    """

    file: str
    digest: str
    code: str
    classes: Count
    notes: tuple[str, ...] = ()


class ImportedRecord(_Record):
    """A network that others trained: no method, no seed, no phases, no cost.

    Attributes:
        imported: where it comes from.
        config: the configuration, as a plain tree; of training it says nothing.
        experiment: digest of the weights and of what they are read as.
        model: the network's name.
        parameters: classifier included.
        evaluations: of the network, without a result: each later one is a file of its own.
    """

    imported: ImportedFacts
    model: str
    parameters: Count
    method: None = None
    seed: None = None
    epochs: None = None
    work: None = None
    cost: None = None
    phases: tuple[()] = ()

    @property
    def label(self) -> str:
        """How tables name what trained it."""
        return "imported"


NetworkRecord = RunRecord | ImportedRecord  # what has a network in its folder
AnyRecord = RunRecord | ImportedRecord | FeaturesRecord
