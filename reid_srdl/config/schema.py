"""One typed schema: the YAML keys are the options are the record's configuration.

``optim.lr`` is the same path in a YAML file, in ``--set optim.lr=0.05`` and in a run's record.
Precedence: option > YAML > default. A key that is marked by `Option` is an option of its command.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, Field, field_validator

from reid_srdl.config.effects import If
from reid_srdl.config.method import MethodOptions
from reid_srdl.config.option import ENGINE, HOW, OUTPUT, TESTED, WHAT, WHERE, Option
from reid_srdl.config.protocol import Protocol
from reid_srdl.config.section import Section
from reid_srdl.config.source import at_home
from reid_srdl.config.start import StartText

_PIXELS = 4096  # a side; beyond it a batch of two fills any memory
_IMAGES = 2**16  # of a batch
_COUNT = 10**6  # epochs, classes, minutes: more is a slip of the hand
_CORES = 1024  # threads beyond what machines have end in a crash of the system's allocator
_FLOAT32 = 1e38  # the rate is a float32 tensor
_GAMMA, _MILESTONES = 0.1, (0.5, 0.75)

TaskName = Literal["reid", "classification"]


class DataConfig(Section):
    """Where the images come from, and what training sees of them."""

    name: Annotated[
        str,
        Option(
            "--dataset",
            "market1501, cifar100, walkers, folder (any crops), class-folder, ...: see reid-srdl "
            "data list. Default: {default}.",
            WHAT,
        ),
        Option("--dataset", "Data set; default: the run's own.", TESTED, "eval", "NAME"),
    ] = "market1501"
    dir: Annotated[
        Path | None,
        Option(
            "--data-dir",
            "The data set's folder or zip, or what holds it; default: $REID_SRDL_DATA.",
            WHAT,
        ),
        Option(
            "--data-dir",
            "Where the data set is; default: the run's own, or $REID_SRDL_DATA.",
            TESTED,
            "eval",
            "DIR",
        ),
    ] = None
    height: int = Field(256, ge=16, le=_PIXELS, description="input height in pixels")
    width: int = Field(128, ge=16, le=_PIXELS, description="input width in pixels")
    pad: int = Field(
        4, ge=0, le=_PIXELS, description="reflection padding before the random crop, in pixels"
    )
    flip: bool = Field(True, description="random horizontal flip")
    identities: int | None = Field(
        None, ge=2, le=10**9, description="train on the first N identities only"
    )
    split: int = Field(0, ge=0, le=_COUNT, description="which division, where a set has several")

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields a padding that reflects more than the image has."""
        side = min(self.height, self.width)
        if self.pad >= side:
            what = f"{self.pad} is not below the image's shorter side, {side} pixels"
            yield "pad", what, ("pad", min(4, side - 1))

    _expands = field_validator("dir")(at_home)


class ModelConfig(Section):
    """The network."""

    name: Annotated[
        str,
        Option(
            "--model",
            "resnet50, densenet121, resnet32, wrn-28-10, ..., or torchvision:NAME, timm:NAME, "
            "torchreid:NAME; default: the data set's, or {default}.",
            WHAT,
        ),
    ] = "resnet50"
    init: Literal["random", "imagenet"] = "random"
    weights: Annotated[Path | None, If("init", "imagenet")] = Field(
        None, description="weights file for init: imagenet, .pth or .safetensors"
    )
    start: StartText | None = Field(
        None, description="RUN:PHASE@EPOCH, whose network the first weights are; see --from"
    )

    _expands = field_validator("weights")(at_home)


def _ascending_fractions(milestones: tuple[float, ...]) -> tuple[float, ...]:
    edges = (0.0, *milestones, 1.0)
    if not all(one < next_ for one, next_ in pairwise(edges)):
        raise ValueError("give fractions between 0 and 1, ascending")
    return milestones


class OptimConfig(Section):
    """SGD with Nesterov momentum and step decay, as published (SRDL paper, section 4.1)."""

    lr: float = Field(0.1, gt=0, le=_FLOAT32)
    warmup: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="fraction of a schedule's steps in which the rate rises from a tenth; 0: none",
    )
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(2e-4, ge=0, le=100)
    batch_size: Annotated[
        int,
        Option("--batch-size", "Images of a batch; default: the data set's, or {default}.", HOW),
    ] = Field(32, ge=2, le=_IMAGES)
    milestones: Annotated[tuple[float, ...], AfterValidator(_ascending_fractions)] = Field(
        _MILESTONES, description="fractions of a schedule's steps"
    )
    gamma: float = Field(_GAMMA, gt=0, le=1)

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields Nesterov's momentum without one, and a decay that changes nothing."""
        if self.nesterov and self.momentum == 0:
            yield "nesterov", "needs a momentum above 0", ("nesterov", False)
        if self.gamma != _GAMMA and not self.milestones:
            yield "gamma", "nothing reads it while optim.milestones is empty", ("gamma", _GAMMA)
        if self.milestones not in ((), _MILESTONES) and self.gamma == 1:
            yield "milestones", "they change nothing while optim.gamma is 1", ("gamma", _GAMMA)
        if self.warmup and any(at <= self.warmup for at in self.milestones):
            what = f"{self.warmup:g} reaches the first milestone, {min(self.milestones):g}"
            yield "warmup", what, ("warmup", min(self.milestones) / 2)


class TrainConfig(Section):
    """How long, from which seed, on what."""

    epochs: Annotated[
        int,
        Option(
            "--epochs", "Epochs in all, both stages; default: the data set's, or {default}.", HOW
        ),
    ] = Field(120, ge=1, le=_COUNT, description="epochs in all, M in the paper")
    seed: Annotated[int, Option("--seed", "Of every random draw; default: {default}.", HOW)] = (
        Field(0, ge=0, lt=2**63)
    )
    device: Annotated[
        str, Option("--device", "auto, cpu, cuda or cuda:N; default: {default}.", WHERE)
    ] = "auto"
    precision: Annotated[
        Literal["auto", "bf16", "fp32"],
        Option(
            "--precision",
            "bf16, fp32, or auto: bf16 where the processor has it; default: {default}.",
            WHERE,
        ),
    ] = "auto"
    threads: int | None = Field(None, ge=1, le=_CORES, description="CPU threads; None: all cores")
    compile: bool = Field(False, description="train what torch.compile makes of the network")
    checkpoint_minutes: float = Field(
        10, gt=0, le=_COUNT, description="minutes between checkpoints within an epoch"
    )


class EvalConfig(Protocol):
    """How the trained network is evaluated: by which protocol, and by which means."""

    enabled: Annotated[
        bool, Option("--eval/--no-eval", "Evaluate at the end; default: {default}.", HOW)
    ] = True
    engine: Annotated[
        Literal["count", "faiss"],
        Option(
            "--engine",
            "count: over blocks of distances; faiss: from FAISS's exact search. The same numbers; "
            "default: {default}.",
            ENGINE,
            "eval",
        ),
    ] = "count"
    flip: Annotated[
        bool,
        Option(
            "--flip/--no-flip",
            "Average each image with its mirror image; default: {default}.",
            TESTED,
            "eval",
        ),
    ] = False
    batch_size: Annotated[
        int, Option("--batch-size", "Images per forward pass; default: {default}.", TESTED, "eval")
    ] = Field(128, ge=1, le=_IMAGES)
    ensembles: tuple[str, ...] = Field(
        (), description="networks whose probabilities are averaged, e.g. srdl+first"
    )


class RunConfig(Section):
    """Where the run's folder stands."""

    dir: Annotated[
        Path,
        Option("--runs", "Folder of the runs; default: {default}.", WHERE),
        Option("--runs", "Folder of --name; default: runs.", OUTPUT, "eval", "DIR"),
    ] = Path("runs")
    name: Annotated[
        str | None,
        Option("--name", "The run's name; default: made from the settings.", WHERE),
        Option(
            "--name",
            "With --features: leave a record in the folder NAME below --runs, for leaderboard and "
            "compare.",
            OUTPUT,
            "eval",
            "NAME",
        ),
    ] = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)

    _expands = field_validator("dir")(at_home)


M = TypeVar("M", bound=MethodOptions)


class Config(Section, Generic[M]):
    """A whole experiment."""

    data: DataConfig = Field(default_factory=DataConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    method: M
    optim: OptimConfig = Field(default_factory=OptimConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    eval: EvalConfig = Field(default_factory=EvalConfig)
    run: RunConfig = Field(default_factory=RunConfig)


AnyConfig = Config[MethodOptions]
