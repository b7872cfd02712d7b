"""One typed schema: the YAML keys are the options are the record's configuration.

``optim.lr`` is the same path in a YAML file, in ``--set optim.lr=0.05`` and in a run's record.
Precedence: option > YAML > default. A key that is marked by `Option` is an option of its command.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BeforeValidator, Field, field_validator

from reid_srdl.config.augmentation import ErasingConfig, JitterConfig
from reid_srdl.config.effects import If
from reid_srdl.config.loss import LossConfig
from reid_srdl.config.method import MethodOptions
from reid_srdl.config.optim import IMAGES, OptimConfig
from reid_srdl.config.option import ENGINE, HOW, OUTPUT, RULES, TESTED, WHAT, WHERE, Option, OrWord
from reid_srdl.config.pattern import pattern
from reid_srdl.config.protocol import Protocol
from reid_srdl.config.recipe import RecipeConfig
from reid_srdl.config.sampler import SamplerConfig
from reid_srdl.config.section import Section
from reid_srdl.config.source import at_home
from reid_srdl.config.start import StartText

_PIXELS = 4096  # a side; beyond it a batch of two fills any memory
_COUNT = 10**6  # epochs, classes, minutes: more is a slip of the hand
_CORES = 1024  # threads beyond what machines have end in a crash of the system's allocator

TaskName = Literal["reid", "classification"]


class DataConfig(Section):
    """Where the images come from, and what training sees of them."""

    name: Annotated[
        str,
        Option(
            "--dataset",
            "market1501, cifar100, walkers, folder (any crops), class-folder, ...: see reid-srdl "
            "data list; A+B joins re-id sets. Default: {default}.",
            WHAT,
        ),
        Option("--dataset", "Data set; default: the run's own.", TESTED, "eval", "NAME"),
    ] = "market1501"
    dir: Annotated[
        Path | None,
        Option(
            "--data-dir",
            "The data set's folder or zip, or a folder that holds it; for A+B once, or once for "
            "each. "
            "Default: $REID_SRDL_DATA.",
            WHAT,
            many=True,
        ),
        Option(
            "--data-dir",
            "Where the data set is; default: the run's own, or $REID_SRDL_DATA.",
            TESTED,
            "eval",
            "DIR",
        ),
    ] = None
    dirs: tuple[Path, ...] = Field((), description="of a joint set: the folder of each, in order")
    joint: Literal["balanced", "proportional"] = Field(
        "balanced",
        description="of a joint set: equal parts in each batch, or all images shuffled together",
    )
    height: Annotated[
        int,
        Option("--height", "With --weights: input height; default: its code's.", TESTED, "eval"),
    ] = Field(256, ge=16, le=_PIXELS, description="input height in pixels")
    width: Annotated[
        int, Option("--width", "With --weights: input width; default: its code's.", TESTED, "eval")
    ] = Field(128, ge=16, le=_PIXELS, description="input width in pixels")
    pad: int = Field(
        4, ge=0, le=_PIXELS, description="padding before the random crop, in pixels of each side"
    )
    pad_with: Literal["reflect", "zero"] = Field(
        "reflect", description="what is padded: the mirrored image, or black"
    )
    flip: bool = Field(True, description="random horizontal flip")
    jitter: JitterConfig = Field(default_factory=JitterConfig)
    erasing: ErasingConfig = Field(default_factory=ErasingConfig)
    identities: int | None = Field(
        None, ge=2, le=10**9, description="train on the first N identities only"
    )
    images: int | None = Field(
        None,
        ge=1,
        le=10**9,
        description="train on N images only, drawn from each class or identity by its share",
    )
    split: int = Field(0, ge=0, le=_COUNT, description="which split, where a set has several")
    camera: Annotated[
        str | None,
        Option(
            "--camera",
            "With the set people: a pattern searched in each image's path, whose group is the "
            "camera; "
            "default: the run's own.",
            TESTED,
            "eval",
            "PATTERN",
        ),
    ] = Field(None, description="of people: a pattern in an image's path, its group the camera")
    person: Annotated[
        str | None,
        Option(
            "--person",
            "The same for the person; default: the run's own, or the first folder.",
            TESTED,
            "eval",
            "PATTERN",
        ),
    ] = Field(None, description="likewise the person; None: the first folder, or the column")
    validation: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the identities, or of each class's images, held out of training",
    )
    labelled: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of each class's or identity's images whose labels training sees",
    )

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields a padding of more than the image has, of nothing, and erasing that never fits."""
        side = min(self.height, self.width)
        if self.pad >= side:
            what = f"{self.pad} is not below the image's shorter side, {side} pixels"
            yield "pad", what, ("pad", min(4, side - 1))
        if self.pad_with == "zero" and self.pad == 0:
            yield "pad_with", "nothing reads it while data.pad is 0", ("pad", min(4, side - 1))
        if self.erasing.probability and not self.erasing.fits(self.height, self.width):
            what = f"no rectangle of it and of data.erasing.area fits {self.height} x {self.width}"
            own = round(self.height / self.width, 4)  # the ratio at which any area below 1 fits
            yield "erasing.ratio", what, ("erasing.ratio", (own, own))
        count = len(self.name.split("+"))
        if self.dirs and self.dir is not None:
            yield "dirs", "data.dir names a place, too", ("dir", None)
        elif self.dirs and len(self.dirs) != count:
            sets = "one set" if count == 1 else f"{count} sets"
            yield "dirs", f"{len(self.dirs)} places for {self.name}, which is {sets}", ("dirs", [])
        if self.joint != "balanced" and count == 1:
            yield "joint", f"nothing is joined in {self.name}", ("joint", "balanced")
        for key in ("camera", "person"):
            if getattr(self, key) is not None and "people" not in self.name.split("+"):
                yield key, f"nothing reads it while data.name is {self.name}", ("name", "people")

    _expands = field_validator("dir")(at_home)
    _are_patterns = field_validator("camera", "person")(pattern)
    _all_expand = field_validator("dirs")(lambda places: tuple(map(at_home, places)))


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
        Option(
            "--model",
            "With --weights: which network it is, e.g. torchreid:osnet_x1_0.",
            TESTED,
            "eval",
            "NAME",
        ),
    ] = "resnet50"
    init: Annotated[
        Literal["random", "imagenet"],
        Option(
            "--init",
            "Initial weights: random, or ImageNet's, downloaded unless the library's cache has "
            "them; default: {default}.",
            WHAT,
        ),
    ] = "random"
    weights: Path | None = Field(
        None,
        description="file of initial weights, .pth or .safetensors; the classifier's are left out",
    )
    weights_digest: str | None = Field(
        None, description="of a weights file that is not ImageNet's; filled in, never given"
    )
    neck: Literal["none", "bnneck"] = Field(
        "none",
        description="bnneck: batch norm between the metric losses' features and the classifier's",
    )
    width: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="channels of the first group of resnet8 to resnet110; None: 16, as published",
    )
    norm: Literal["batch", "group"] = Field(
        "batch",
        description="group: group norm for batch norm, and standardised convolutions, as in BiT",
    )
    last_stride: Literal[1] | None = Field(
        None, description="1: the last stage does not halve its maps; None: it does"
    )
    pooling: Literal["average", "gem"] = Field(
        "average", description="gem: the generalised mean, its exponent learned"
    )
    ibn: Literal["none", "a"] = Field(
        "none", description="a: instance norm for a part of the channels of early blocks"
    )
    stem: Literal["plain", "ceil", "no-relu"] = Field(
        "plain",
        description="how a ResNet begins. ceil: its max pooling pads nothing (fast-reid); no-relu: "
        "no ReLU behind the first norm (reid-strong-baseline)",
    )
    non_local: bool = Field(
        False, description="non-local blocks in layers 2 and 3 of a ResNet-50 (AGW, SBS)"
    )
    last_relu: bool = Field(
        True, description="off: a DenseNet's last norm is pooled as it is (layumi)"
    )
    shortcut: Literal["behind", "centred"] = Field(
        "behind",
        description="where a small ResNet's shortcuts put new channels; centred: on both sides "
        "(akamaster)",
    )
    dropout: float = Field(
        0.0,
        ge=0,
        le=0.95,
        description="share of the features that the classifier does not see; of a perceptron, of "
        "both hidden layers",
    )
    input_dropout: float = Field(
        0.0, ge=0, le=0.95, description="share of the pixels that a perceptron does not see"
    )
    bottleneck: int | None = Field(
        None, ge=1, le=2**16, description="length of the features behind a linear layer; None: none"
    )
    start: StartText | None = Field(
        None, description="RUN:PHASE@EPOCH, whose network the first weights are; see --from"
    )

    _expands = field_validator("weights")(at_home)


def _none_if_auto(value: Any) -> Any:
    return None if value == "auto" else value


class TrainConfig(Section):
    """How long, from which seed, on what."""

    epochs: Annotated[
        int,
        Option(
            "--epochs",
            "Epochs in all; stages share them. Default: the data set's, or {default}.",
            HOW,
        ),
    ] = Field(120, ge=1, le=_COUNT, description="epochs in all, M in the paper")
    seed: Annotated[
        int, Option("--seed", "Seed of every random draw; default: {default}.", HOW)
    ] = Field(0, ge=0, lt=2**63)
    device: Annotated[
        str, Option("--device", "auto, cpu, cuda or cuda:N; default: {default}.", WHERE)
    ] = "auto"
    precision: Annotated[
        Literal["auto", "bf16", "tf32", "fp32"],
        Option(
            "--precision",
            "bf16, tf32 (CUDA), fp32; auto: bf16 if fast and right; default: {default}.",
            WHERE,
        ),
    ] = "auto"
    threads: Annotated[int | None, BeforeValidator(_none_if_auto), OrWord("auto")] = Field(
        None,
        ge=1,
        le=_CORES,
        description="CPU threads; None or auto: OMP_NUM_THREADS, or what is fastest at the start",
    )
    budget: Literal["own", "equal"] = Field(
        "own",
        description="own: every step; equal: so many that all that the run trains costs what "
        "vanilla's epochs would",
    )
    compile: bool = Field(False, description="train what torch.compile makes of the network")
    graph: bool = Field(
        True, description="on CUDA: launch each step as one CUDA graph; the numbers are the same"
    )
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
            "count: counts over blocks of distances; faiss: FAISS's exact search. Both give the "
            "same scores; "
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
    ] = Field(128, ge=1, le=IMAGES)
    verification: Annotated[
        bool,
        Option(
            "--verification/--no-verification",
            "Also report how well a distance decides whether two images show one person: true by "
            "false positive rate, over all pairs; default: {default}.",
            RULES,
            "eval",
        ),
    ] = False
    fpr: Annotated[
        float,
        Option(
            "--fpr",
            "With --verification: the false positive rate that sets the threshold; default: "
            "{default}.",
            RULES,
            "eval",
        ),
        If("verification", True),
    ] = Field(1e-3, gt=0, lt=1)
    every: int | None = Field(
        None,
        ge=1,
        le=_COUNT,
        description="epochs between judgements on the validation part; the best is NAME.best",
    )
    ensembles: tuple[str, ...] = Field(
        (), description="networks that are judged as one, too, e.g. srdl+first"
    )

    @property
    def verify(self) -> float | None:
        """The false positive rate at which pairs are verified; None: they are not."""
        return self.fpr if self.verification else None


class WatchConfig(Section):
    """What is measured while training goes on; it changes no weight."""

    gradients: bool = Field(
        False,
        description="norms of each layer's gradients, in metrics.jsonl; see analyse gradients",
    )


class RunConfig(Section):
    """Where the run's folder stands."""

    dir: Annotated[
        Path,
        Option("--runs", "Folder of the runs; default: {default}.", WHERE),
        Option(
            "--runs", "Folder in which --name is written; default: runs.", OUTPUT, "eval", "DIR"
        ),
    ] = Path("runs")
    name: Annotated[
        str | None,
        Option("--name", "The run's name; default: made from the settings.", WHERE),
        Option(
            "--name",
            "With --features or --distances: write a record, RUNS/NAME, for leaderboard and "
            "compare.",
            OUTPUT,
            "eval",
            "NAME",
        ),
    ] = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)
    shared: Path | None = Field(
        None, description="folder of phases that runs share, see --share; None: none are"
    )

    _expands = field_validator("dir", "shared")(at_home)


M = TypeVar("M", bound=MethodOptions)


class Config(Section, Generic[M]):
    """A whole experiment."""

    recipe: RecipeConfig = Field(default_factory=RecipeConfig)
    data: DataConfig = Field(default_factory=DataConfig)
    sampler: SamplerConfig = Field(default_factory=SamplerConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    method: M
    optim: OptimConfig = Field(default_factory=OptimConfig)
    loss: LossConfig = Field(default_factory=LossConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    eval: EvalConfig = Field(default_factory=EvalConfig)
    watch: WatchConfig = Field(default_factory=WatchConfig)
    run: RunConfig = Field(default_factory=RunConfig)

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields what one section says and another one makes impossible, or leaves unread."""
        if self.eval.every is not None and self.data.validation == 0:
            what = "nothing is held out to judge epochs by while data.validation is 0"
            yield "eval.every", what, ("data.validation", 0.1)
        given = (self.model.weights, self.model.start)
        if self.optim.frozen and self.model.init == "random" and not any(given):
            what = "it would freeze random weights: nothing is loaded while model.init is random"
            yield "optim.frozen", what, ("model.init", "imagenet")
        if self.model.norm == "group" and self.model.init == "imagenet":
            what = "ImageNet's weights are of networks with batch norm"
            yield "model.norm", what, ("model.norm", "batch")
        if self.model.norm == "group" and self.model.ibn != "none":
            what = "model.ibn puts instance norm beside batch norm"
            yield "model.norm", what, ("model.norm", "batch")
        drawn, batch = self.sampler, self.optim.batch_size
        if drawn.batch_size not in (None, batch):
            product = f"{drawn.identities} x {drawn.images} = {drawn.batch_size}"
            what = f"{batch} is not sampler.identities x sampler.images, {product}"
            yield "optim.batch_size", what, ("optim.batch_size", drawn.batch_size)
        if drawn.batch_size is not None and self.data.labelled < 1:
            what = "P x K batches are drawn by labels, of which it hides some"
            yield "data.labelled", what, ("data.labelled", 1.0)
        if drawn.images == 1 and self.loss.pairs:
            what = f"1 leaves no two images of an identity to {' and '.join(self.loss.pairs)}"
            yield "sampler.images", what, ("sampler.images", 4)


AnyConfig = Config[MethodOptions]
