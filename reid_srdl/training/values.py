"""What the verbs pass around: models, heads, knowledge, views. Plain values that need no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reid_srdl.errors import UserError
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.kept import Kind, kept_name
from reid_srdl.texts import shown
from reid_srdl.training.keys import Keyed

if TYPE_CHECKING:
    from torch import Tensor

    from reid_srdl.data.batches import Batch
    from reid_srdl.models.network import Network


_LONGEST = 100  # characters: a file's name has a key and a step as well


@dataclass(frozen=True)
class View:
    """Some of a data set's classes, by name, in the order of their labels.

    A model of a view is trained on these classes alone and judged on them.
    """

    classes: tuple[str, ...]


@dataclass(frozen=True)
class Model(Keyed):
    """A network at one point of a program.

    Attributes:
        key: names the phase that made it.
        spec: what the network is.
        view: the classes that it knows; None: all of the data set.
        made: the network itself; None in a dry run.
        averaged: the same with the average of the weights over the steps; None: none was kept.
        best: the same with the weights of the epoch that did best on the validation part; None:
            none were kept.
        loaded: its trunk was not drawn at random.
    """

    spec: NetworkSpec
    view: View | None = None
    made: Network | None = None
    averaged: Model | None = None
    best: Model | None = None
    loaded: bool = False

    @property
    def network(self) -> Network:
        """The network, on the run's device; a dry run has none."""
        assert self.made is not None, "a dry run makes no network"
        return self.made

    @property
    def kept(self) -> dict[Kind, Model]:
        """The other weights of its network that were kept, by their kind."""
        found: dict[Kind, Model | None] = {"ema": self.averaged, "best": self.best}
        return {kind: model for kind, model in found.items() if model is not None}


@dataclass(frozen=True)
class Head(Keyed):
    """A module that a phase trains beside its networks and that ends with the phase.

    Attributes:
        make: called with ``args`` when the phase begins, each model replaced by its network.
        seed: of its initialisation.
    """

    make: Callable[..., Any]
    args: tuple[Any, ...]
    seed: int


@dataclass(frozen=True)
class Knowledge(Keyed):
    """What networks know of the training set: their logits, one table each, one row per sample.

    The tables stay with the trainer; a loss finds the rows of a batch's samples in the batch.

    Attributes:
        tables: the key of each table.
        views: the classes whose images each table has rows of; None: all images.
    """

    tables: tuple[str, ...]
    views: tuple[View | None, ...] = (None,)

    def logits(self, _outputs: object, batch: Batch) -> tuple[Tensor, ...]:
        """Returns B x C logits of each table for the samples of a batch."""
        return batch.logits_of(self.tables)


@dataclass(frozen=True)
class Only:
    """The part of a network that a phase trains; the rest stays in evaluation mode, unmoved.

    Attributes:
        side: ``up_to``: up to and with the stage, and nothing behind it is computed; ``after``:
            what stands behind it.
        stage: the stage's name.
    """

    side: Literal["up_to", "after"]
    stage: str


def up_to(stage: str) -> Only:
    """Trains a network up to the end of a stage; what comes later is not even run."""
    return Only("up_to", stage)


def after(stage: str) -> Only:
    """Trains what stands behind a stage; the stage and all before it stay as they are."""
    return Only("after", stage)


def check_name(what: str, name: str) -> None:
    """Checks that a phase or a network has a name that files and ensembles can bear.

    Raises:
        UserError: it has not.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or len(name) > _LONGEST:
        raise UserError(
            f"{what} {shown(name)}: cannot be part of a file's name",
            "use letters, digits, '.', '_' and '-', and begin with a letter or a digit",
        )


def named(models: Mapping[str, Model]) -> dict[str, Model]:
    """Returns models by name, each followed by ``NAME.ema`` and ``NAME.best`` where they are kept.

    Raises:
        UserError: another model has such a name.
    """
    whole: dict[str, Model] = {}
    for name, model in models.items():
        own = {kept_name(name, kind): other for kind, other in model.kept.items()}
        if clash := own.keys() & models.keys():
            raise UserError(
                f"the method has a network {clash.pop()!r} of its own", "name it otherwise"
            )
        whole |= {name: model, **own}
    return whole
