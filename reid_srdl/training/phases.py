"""The phases of a run: what each is, so that its key, its files and its cost follow. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reid_srdl.data.samplers import Sampler
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.kept import Kind
from reid_srdl.training.losses import Loss, needs_of
from reid_srdl.training.monitor import EpochRow
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.schedule import Span
from reid_srdl.training.setting import DataFacts
from reid_srdl.training.values import Head, Model, Only, View


@dataclass(frozen=True)
class Fit:
    """What one ``fit`` trains: everything that its steps depend on.

    Attributes:
        models: the networks by name, as they begin; several are trained together.
        losses: what each minimises.
        in_turn: each network steps with its peers' refreshed answers; else all step at once.
        frozen: networks that are consulted on the very crops, in evaluation mode.
        heads: modules that are trained in this phase alone.
        only: the part of the networks that is trained; None: all of it.
        epochs: of this phase.
        span: the part of a schedule that it runs through.
        keeps: other weights of each network that it keeps beside the last step's.
        every: epochs from one judgement on the validation part to the next, the last epoch's
            besides; 0: nothing is judged.
        share: of each epoch's steps that it makes.
    """

    models: Mapping[str, Model]
    losses: Mapping[str, Loss]
    in_turn: bool
    frozen: Mapping[str, Model]
    heads: Mapping[str, Head]
    only: Only | None
    epochs: int
    span: Span
    keeps: tuple[Kind, ...] = ()
    every: int = 0
    share: float = 1.0

    @property
    def needs(self) -> frozenset[str]:
        """What is kept or drawn because a loss asks for it."""
        return frozenset().union(*(needs_of(loss) for loss in self.losses.values()))


@dataclass(frozen=True)
class Extract:
    """What one ``extract`` computes: a model's logits for every training image.

    Attributes:
        model: whose.
        flip: the logits of each image and its mirror image are averaged.
    """

    model: Model
    flip: bool

    @property
    def passes(self) -> int:
        """Forward passes over the training set."""
        return 2 if self.flip else 1


@dataclass(frozen=True)
class PhaseFacts:
    """All that the numbers of a phase depend on, which its key is made of.

    Attributes:
        name: as the method calls it.
        asked: what it does.
        view: the classes that it sees; None: all.
        seed, data, precision, optimisation, sampler, compile, source: as in `Setting`; an
            extraction has no optimisation and no sampler.
        share: of each epoch's steps that are made, by setting and method together.
    """

    name: str
    asked: Fit | Extract
    view: View | None
    seed: int
    data: DataFacts
    precision: str
    optimisation: Optimisation | None = None
    sampler: Sampler | None = None
    compile: bool = False
    source: str = ""
    share: float = 1.0


@dataclass(frozen=True)
class MacCount:
    """Multiply-accumulates, forward and backward apart."""

    forward: int
    backward: int

    def times(self, steps: int) -> MacCount:
        """Returns the work of so many steps."""
        return MacCount(self.forward * steps, self.backward * steps)

    def __add__(self, other: MacCount) -> MacCount:
        """Returns the work of both."""
        return MacCount(self.forward + other.forward, self.backward + other.backward)

    @property
    def total(self) -> int:
        """Both passes together."""
        return self.forward + self.backward


@dataclass
class Phase:
    """One phase of a run, planned or done.

    Attributes:
        name: as the method calls it, e.g. ``first``.
        key: hash of its settings and its parents' keys.
        asked: what it does.
        images: samples of its training set.
        steps: steps of a whole epoch.
        batch_size: images of a step.
        counts: counts the work of one step, or of extracting from one image; called once.
        counts_frozen: the same of a step in which loaded trunks stay as they are.
        frozen_steps: steps, from the first, in which trunks that were loaded stay as they are.
        share: of an epoch's steps that are made, above 0, up to 1.
        rows: the epochs that are done.
        seconds: time that the finished part took.
        processes: how many trained it; several numbers where it went on with another one.
        norm_parts: of how many parts of a batch batch norms took the statistics, likewise.
        made_in: hashes of the circumstances that it was done in, see `training.sharing`; several
            where it went on in others, an empty one where nobody knows.
    """

    name: str
    key: str
    asked: Fit | Extract
    images: int
    steps: int
    batch_size: int
    counts: Callable[[Phase], MacCount] | None = None
    counts_frozen: Callable[[Phase], MacCount] | None = None
    frozen_steps: int = 0
    share: float = 1.0
    rows: list[EpochRow] = field(default_factory=list)
    seconds: float = 0.0
    processes: set[int] = field(default_factory=set)
    norm_parts: set[int] = field(default_factory=set)
    made_in: set[str] = field(default_factory=set)
    _counted: dict[bool, MacCount] = field(default_factory=dict)

    @property
    def kind(self) -> Literal["fit", "extract"]:
        """Which verb opened it."""
        return "fit" if isinstance(self.asked, Fit) else "extract"

    @property
    def epochs(self) -> float:
        """Epochs fitted, parts of some included, or passes over the training set."""
        if isinstance(self.asked, Fit):
            return self.asked.epochs * self.asked.share
        return self.asked.passes

    @property
    def keeps(self) -> tuple[Kind, ...]:
        """Other weights of its networks that it keeps beside the last step's."""
        return self.asked.keeps if isinstance(self.asked, Fit) else ()

    @property
    def models(self) -> dict[str, Model]:
        """The models that it begins with, by name; an extraction's has the phase's name."""
        if isinstance(self.asked, Fit):
            return dict(self.asked.models)
        return {self.name: self.asked.model}

    @property
    def specs(self) -> dict[str, NetworkSpec]:
        """The networks that it runs, by the same names."""
        return {name: model.spec for name, model in self.models.items()}

    @property
    def step_work(self) -> MacCount:
        """Multiply-accumulates of one step, or of extracting from one image, counted once."""
        return self._work_of_step(frozen=False)

    def _work_of_step(self, *, frozen: bool) -> MacCount:
        if frozen not in self._counted:
            counts = self.counts_frozen if frozen else self.counts
            assert counts is not None, "nobody counts here"
            self._counted[frozen] = counts(self)
        return self._counted[frozen]

    def steps_before(self, epoch: int) -> int:
        """Returns the steps that are made before an epoch, counted from 0: shares are rounded down.

        >>> phase = Phase("a", "", Extract(None, False), 0, 10, 1, share=0.25)
        >>> [phase.steps_before(epoch) for epoch in range(5)]
        [0, 2, 5, 7, 10]
        """
        return int(epoch * self.steps * self.share + 1e-6)

    def steps_of(self, epoch: int) -> int:
        """Returns the steps of an epoch, counted from 0."""
        return self.steps_before(epoch + 1) - self.steps_before(epoch)

    @property
    def all_steps(self) -> int:
        """Steps of the whole phase; an extraction takes one for each image."""
        return self.steps_before(self.asked.epochs) if isinstance(self.asked, Fit) else self.images

    @property
    def work(self) -> MacCount:
        """Multiply-accumulates of the whole phase."""
        moving = self.step_work.times(self.all_steps - self.frozen_steps)
        if not self.frozen_steps:
            return moving
        return moving + self._work_of_step(frozen=True).times(self.frozen_steps)

    @property
    def forward_of_images(self) -> float:
        """Multiply-accumulates of the forward passes, as TrCost has it: over all N images.

        An epoch leaves out the images of a last batch that is not full; TrCost does not.
        """
        if not isinstance(self.asked, Fit):
            return self.work.forward
        seen = self.images * self.asked.epochs * self.share
        return self.step_work.forward / self.batch_size * seen

    def stem(self, folder: Path) -> Path:
        """Returns how the names of its files begin; another setting is another key is another."""
        return folder / f"{self.name}-{self.key[:16]}"
