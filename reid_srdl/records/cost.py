"""What training cost: its phases, their work, and the whole."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from reid_srdl.records.part import Count, RecordPart

Mark = Literal["at chance", "collapsed"]  # see training.marks
COST_UNIT = 1e16  # multiply-accumulates; TrCost's


class Work(RecordPart):
    """Multiply-accumulates.

    Attributes:
        forward: of forward passes, those that extract knowledge included.
        backward: of backward passes.
        total: of both.
    """

    forward: Count
    backward: Count
    total: Count

    @model_validator(mode="after")
    def _adds_up(self) -> Work:
        if self.total != self.forward + self.backward:
            raise ValueError("total is not the sum of forward and backward")
        return self

    @property
    def cost(self) -> float:
        """The total in 10^16, the unit of TrCost."""
        return self.total / COST_UNIT

    @classmethod
    def of(cls, forward: int, backward: int) -> Work:
        """Returns the work of both passes."""
        return cls(forward=forward, backward=backward, total=forward + backward)

    def __add__(self, other: Work) -> Work:
        """Returns the work of both.

        >>> (Work.of(1, 2) + Work.of(3, 4)).total
        10
        """
        return Work.of(self.forward + other.forward, self.backward + other.backward)


NO_WORK = Work.of(0, 0)


class Best(RecordPart):
    """The epoch that did best on the validation part.

    Attributes:
        epoch: epochs of the phase that were done, from 1.
        score: mAP (re-id) or top-1 accuracy on the validation part, 0 to 1.
    """

    epoch: int = Field(ge=1)
    score: float = Field(ge=0, le=1)


class BranchFacts(RecordPart):
    """A branch of a network: a classifier at the end of a stage.

    Attributes:
        layers: what its maps pass, in order, e.g. ``bottleneck 16 -> 32, stride 2``.
        parameters: of all of them.
    """

    layers: tuple[str, ...]
    parameters: Count


class NetworkFacts(RecordPart):
    """A network in a phase.

    Attributes:
        model: the network's name, e.g. ``resnet50``.
        loss: the last epoch's mean of each loss term; empty where it is not trained.
        accuracy: the last epoch's training accuracy, 0 to 1, over all images, hidden labels
            included; None where it is not trained.
        ce: the last epoch's cross-entropy with the labels that are shown, in nats; None where
            it is not trained or computes no logits.
        marks: ``at chance`` where it learned nothing, ``collapsed`` where most of its features are
            the same for all images.
        validation: the last epoch's score on the validation part, as `Best` has it; None where
            there is none.
        branches: its shallow classifiers, by name.
        best: the epoch whose weights were kept as ``NAME.best``; None where none were.
    """

    model: str
    loss: dict[str, float] = Field(default_factory=dict)
    accuracy: float | None = Field(None, ge=0, le=1)
    ce: float | None = Field(None, ge=0)
    marks: tuple[Mark, ...] = ()
    validation: float | None = Field(None, ge=0, le=1)
    branches: dict[str, BranchFacts] = Field(default_factory=dict)
    best: Best | None = None


class Phase(RecordPart):
    """One durable phase of a method's program.

    Attributes:
        key: hash of its settings and its parents' keys.
        epochs: epochs fitted, or passes over the training set for ``extract``.
        networks: each network that it ran, by its name in the phase.
        work: what it computed.
        seconds: wall-clock time.
    """

    name: str
    kind: Literal["fit", "extract"]
    key: str
    epochs: float = Field(ge=0)
    networks: dict[str, NetworkFacts] = Field(min_length=1)
    work: Work
    seconds: float = Field(ge=0)

    @property
    def network(self) -> NetworkFacts:
        """The phase's first network."""
        return next(iter(self.networks.values()))


class Timing(RecordPart):
    """What says who computed, and changes nothing that was computed: runs are equal without it.

    Attributes:
        taken: of each phase that was taken over from another run, by its name, that run. Its work,
            its seconds and its place in the cost are those that it took there.
        processes: how many trained it together; several numbers where it went on with another one.
    """

    taken: dict[str, str] = Field(default_factory=dict)
    processes: tuple[Count, ...] = (1,)


class Cost(RecordPart):
    """What the training cost.

    Attributes:
        macs: multiply-accumulates of one forward pass of one image through the run's network.
        epochs: epochs trained, all phases together, a teacher's included.
        images: images of the training set.
        share: of each epoch's steps that were made, where the run has a budget (`train.budget`).
        extraction_passes: forward passes over the training set to extract knowledge.
        trcost: TrCost in 10^16, see :func:`reid_srdl.analysis.cost.trcost`: forward passes of each
            phase by the network that it ran, finished runs that served as teachers included.
        teachers: the part of it that such finished runs cost.
        teachers_work: what such finished runs computed, their own teachers included.
        seconds: wall-clock time of the training, all phases together.
        images_per_second: images trained per second of fitting.
    """

    macs: Count
    epochs: float = Field(ge=0)
    images: Count
    share: float = Field(1.0, gt=0, le=1)
    extraction_passes: Count = 0
    trcost: float = Field(ge=0)
    teachers: float = Field(0.0, ge=0)
    teachers_work: Work = NO_WORK
    seconds: float = Field(ge=0)
    images_per_second: float = Field(ge=0)
