"""What the verbs pass around: models, heads, knowledge, views. Plain values that need no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reid_srdl.models.spec import NetworkSpec
from reid_srdl.training.keys import Keyed

if TYPE_CHECKING:
    from reid_srdl.models.network import Network


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
    """

    spec: NetworkSpec
    view: View | None = None
    made: Network | None = None

    @property
    def network(self) -> Network:
        """The network, on the run's device; a dry run has none."""
        assert self.made is not None, "a dry run makes no network"
        return self.made


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
    """

    tables: tuple[str, ...]


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
