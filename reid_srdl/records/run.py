"""The record of one finished run: everything that a table, a study or a figure needs."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from reid_srdl.config import TaskName
from reid_srdl.records.metrics import Result

SCHEMA_VERSION = 1

Count = Annotated[int, Field(ge=0)]
UtcTime = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class _Part(BaseModel):
    # NaN and infinity are no JSON: a record that held one could not be read by other software.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DatasetFacts(_Part):
    """What the run was trained and evaluated on; None where the task knows no such thing.

    Attributes:
        name: the data set's name, e.g. ``market1501``.
        task: what networks are trained for.
        images: of the training set, as the run used it.
        identities: of the training set, as the run used it (re-id).
        query, gallery: images, junk and distractors included (re-id).
        boxes: hand-drawn boxes for multi-query; None where there are none (re-id).
        classes, test: classes and test images (classification).
    """

    name: str
    task: TaskName = "reid"
    images: Count
    identities: Count | None = None
    query: Count | None = None
    gallery: Count | None = None
    boxes: Count | None = None
    classes: Count | None = None
    test: Count | None = None

    @model_validator(mode="after")
    def _facts_of_its_task(self) -> DatasetFacts:
        reid = {"identities", "query", "gallery"}
        wanted = reid if self.task == "reid" else {"classes", "test"}
        if missing := sorted(key for key in wanted if getattr(self, key) is None):
            raise ValueError(f"a {self.task} data set has {', '.join(missing)}")
        return self


class MethodFacts(_Part):
    """The training strategy: ``srdl``, and its label in tables, ``srdl (restart=off)``."""

    name: str
    label: str


class Cost(_Part):
    """What the training cost.

    Attributes:
        macs: multiply-accumulates of one forward pass of one image through the run's network.
        epochs: epochs trained, all phases together, a teacher's included.
        images: images of the training set.
        extraction_passes: forward passes over the training set to extract knowledge.
        trcost: TrCost in 10^16, see :func:`reid_srdl.analysis.cost.trcost`: each phase by the
            network that it ran, finished runs that served as teachers included.
        teachers: the part of it that such finished runs cost.
        seconds: wall-clock time of the training, all phases together.
        images_per_second: images trained per second of fitting.
    """

    macs: Count
    epochs: float = Field(ge=0)
    images: Count
    extraction_passes: Count = 0
    trcost: float = Field(ge=0)
    teachers: float = Field(0.0, ge=0)
    seconds: float = Field(ge=0)
    images_per_second: float = Field(ge=0)


class Phase(_Part):
    """One durable phase of a method's program.

    Attributes:
        epochs: epochs fitted, or passes over the training set for ``extract``.
        seconds: wall-clock time.
        loss: the last epoch's mean of each loss term; empty for ``extract``.
        accuracy: the last epoch's training accuracy, 0 to 1; None for ``extract``.
        network: name of the network that it ran; None in older records.
        macs: multiply-accumulates of one forward pass of one image through it.
    """

    name: str
    kind: Literal["fit", "extract"]
    epochs: float = Field(ge=0)
    seconds: float = Field(ge=0)
    loss: dict[str, float] = {}
    accuracy: float | None = Field(None, ge=0, le=1)
    network: str | None = None
    macs: Count | None = None


class QueryScores(_Part):
    """Results of each query, in the data set's query order.

    Attributes:
        ap: average precision by precision at hits; None for a query without a match.
        ap_trapezoid: the official area by trapezoids; None for a query without a match.
        first_rank: rank of the first match, from 1; None for a query without a match.
        inp: n / r_n; None for a query without a match.
        pids, camids, names: who the queries are, so that results can be paired.

    Under rules that count a query without a match as 0, its ap, ap_trapezoid and inp are 0. The
    last four are None as a whole where they are not known, as in records of older versions.
    """

    ap: tuple[float | None, ...]
    ap_trapezoid: tuple[float | None, ...]
    first_rank: tuple[int | None, ...]
    inp: tuple[float | None, ...] | None = None
    pids: tuple[int, ...] | None = None
    camids: tuple[int, ...] | None = None
    names: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _same_length(self) -> QueryScores:
        if not len(self.ap) == len(self.ap_trapezoid) == len(self.first_rank):
            raise ValueError("ap, ap_trapezoid and first_rank differ in length")
        for key in ("inp", "pids", "camids", "names"):
            values = getattr(self, key)
            if values is not None and len(values) != len(self.ap):
                raise ValueError(f"ap and {key} differ in length")
        return self


class PerQuery(_Part):
    """Per-query results of one network; multi-query None where there are no boxes."""

    single_query: QueryScores
    multi_query: QueryScores | None = None


class Versions(_Part):
    """Versions of what computed the numbers; None for a package that is not installed."""

    python: str
    torch: str | None
    torchvision: str | None
    numpy: str | None
    faiss: str | None
    reid_srdl: str


class Device(_Part):
    """Where the run was trained: ``AMD EPYC`` or ``NVIDIA H200``, the precision, CPU threads."""

    name: str
    precision: Literal["bf16", "fp32"]
    threads: int = Field(ge=1)


class RunRecord(_Part):
    """One finished run.

    Attributes:
        name: the run's name, as its folder is called.
        created: when the record was first written, UTC.
        config: the whole resolved configuration, as a plain tree.
        experiment: fingerprint of the configuration without the seed (and without what changes no
            number, or stands elsewhere in the record, such as the precision): equal for runs that
            differ in nothing but the seed and in where they ran.
        model: the network's name.
        epochs: epochs in all, M in the SRDL paper.
        parameters: of the run's network, classifier included.
        results: each network that the method returned by its name, the run's result first, then
            ensembles (``srdl+first``); None where the evaluation was left out.
        per_query: per-query results of the networks evaluated for re-id, by the same names.
    """

    schema_version: Literal[1] = 1
    name: str
    created: UtcTime
    status: Literal["finished"] = "finished"
    experiment: str
    dataset: DatasetFacts
    method: MethodFacts
    model: str
    seed: Count
    epochs: int = Field(ge=1)
    parameters: Count
    cost: Cost
    phases: tuple[Phase, ...] = ()
    results: dict[str, Result | None] = Field(min_length=1)
    versions: Versions
    device: Device
    config: dict[str, JsonValue]
    per_query: dict[str, PerQuery] = {}

    @model_validator(mode="after")
    def _per_query_of_known_networks(self) -> RunRecord:
        if unknown := set(self.per_query) - set(self.results):
            raise ValueError(f"per_query names unknown networks: {', '.join(sorted(unknown))}")
        return self

    @property
    def result(self) -> Result | None:
        """The run's result: the evaluation of the first network."""
        return next(iter(self.results.values()))
