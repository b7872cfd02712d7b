"""Records of analyses of finished runs, under ``RUN/analyses``."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.errors import UserError
from reid_srdl.seals import check_seal

Loss = Annotated[float, Field(ge=0)] | None  # None where it is not finite


class Part(BaseModel):
    """A part of an analysis's record."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Subject(Part):
    """A network that was analysed.

    Attributes:
        run: the run's name.
        network: its name in the run: what the method returned, or a ``fit`` phase.
        model: the network's name, e.g. ``resnet32``.
        method: the method's label; ``imported`` of what others trained.
        dataset: the data set's name.
        seed: the run's seed; None of what others trained.
        weights: SHA-256 of the file that its weights came from.
    """

    run: str
    network: str
    model: str
    method: str
    dataset: str
    seed: int | None
    weights: str


class WidthSettings(Part):
    """How a width was measured.

    Attributes:
        relative: distances in filter norms (Li et al. 2018), else in the raw Euclidean norm.
        distances: values of d, the first 0.
        directions: how many random directions.
        seed: of the directions and of the subset.
        subset: images of each split that were drawn; None: all.
        precision: of the forward passes.
    """

    relative: bool
    distances: tuple[float, ...]
    directions: int
    seed: int
    subset: int | None
    precision: str


class Width(Part):
    """Cross-entropy at theta + d * v (SRDL paper, Fig 4), in nats.

    Attributes:
        subject: the network.
        settings: how it was measured.
        images: images of each split.
        losses: for each split a row per direction, a loss per distance.
        device: what computed it.
    """

    kind: Literal["width"] = "width"
    subject: Subject
    settings: WidthSettings
    images: dict[str, int]
    losses: dict[str, tuple[tuple[Loss, ...], ...]]
    device: str

    def mean(self, split: str) -> list[float | None]:
        """Returns the mean over directions at each distance; None where one is not finite."""
        return [fmean(known) if known else None for known in self._at_each_distance(split)]

    def deviation(self, split: str) -> list[float | None]:
        """Returns the standard deviation over directions; None of one, or of what is not finite."""
        return [stdev(known) if len(known) > 1 else None for known in self._at_each_distance(split)]

    def _at_each_distance(self, split: str) -> list[list[float]]:
        columns = zip(*self.losses[split], strict=True)
        return [
            []
            if any(loss is None for loss in column)
            else [loss for loss in column if loss is not None]
            for column in columns
        ]


class PhaseEntropy(Part):
    """Training cross-entropy of one ``fit`` phase, in nats.

    Attributes:
        phase: its name.
        model: the network that it trained.
        epochs: its epochs.
        last_epoch: mean over the last epoch's steps as trained: training mode, augmented images,
            weights that move; None where its loss has no plain cross-entropy.
        clean: of the network that it ended with, in evaluation mode on the clean training images;
            None where it was not measured.
    """

    phase: str
    model: str
    epochs: float
    last_epoch: Loss
    clean: Loss = None


class Entropies(Part):
    """Training cross-entropies of a run's phases."""

    kind: Literal["entropy"] = "entropy"
    run: str
    method: str
    dataset: str
    seed: int
    images: int
    phases: tuple[PhaseEntropy, ...]
    device: str | None


class Member(Part):
    """One network of an ensemble, with its own scores."""

    subject: Subject
    scores: ClassScores


class EnsembleRecord(Part):
    """The mean of several networks' probabilities, and its scores."""

    kind: Literal["ensemble"] = "ensemble"
    members: tuple[Member, ...]
    scores: ClassScores
    device: str


def read_width(path: Path) -> Width | None:
    """Reads a width; None where there is none, or one that this version does not understand."""
    try:
        check_seal(path)
        return Width.model_validate_json(path.read_text(encoding="utf-8"))
    except (UserError, OSError, UnicodeDecodeError, ValidationError):
        return None
