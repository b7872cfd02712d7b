"""What ``fit`` minimises: losses as frozen dataclasses, pure functions of tensors of fixed shape.

This file needs no torch, so that methods and dry runs do not; what computes stands in `terms`.
The term ``ce`` is always the plain cross-entropy with the labels, so that records compare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from reid_srdl.errors import UserError
from reid_srdl.training.keys import nested
from reid_srdl.training.values import Knowledge, View

if TYPE_CHECKING:
    from torch import nn

    from reid_srdl.data.batches import Batch
    from reid_srdl.models.network import Network, Output
    from reid_srdl.training.terms import Terms

NEEDS = frozenset({"stages", "branches", "draws"})
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Outputs:
    """What a step computed for one network's loss.

    Attributes:
        own: the network's own answer.
        peers: answers of the networks trained beside it, detached.
        frozen: answers of consulted networks in evaluation mode, on the very crops of the batch.
        heads: modules that are trained in this phase, the loss's own among them.
    """

    own: Output
    peers: Mapping[str, Output]
    frozen: Mapping[str, Output]
    heads: Mapping[str, nn.Module]


@dataclass(frozen=True)
class Loss:
    """What a phase minimises: a frozen dataclass whose key follows from its fields.

    Subclasses say in ``needs`` what is kept or drawn for them, ``stages``, ``branches`` or
    ``draws``, and in ``modules`` what they train themselves. Both count in nested losses, too.
    """

    needs: ClassVar[frozenset[str]] = NOTHING

    @property
    def modules(self) -> Mapping[str, Callable[[Network], nn.Module]]:
        """Factories that take the network, by name.

        Their modules are in ``outputs.heads`` and, for losses of one output, in ``batch.modules``.
        """
        return {}

    @property
    def rates(self) -> Mapping[str, float]:
        """Constant rates of those modules that plain SGD of their own moves, by name."""
        return {}

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns named terms, whose sum is minimised."""
        raise NotImplementedError


@dataclass(frozen=True)
class LabelLoss(Loss):
    """A loss of labels alone, on a network or on one of its branches.

    Each term is a weighted mean over the batch, sum(w l) / max(sum w, 1); the weight of a sample
    is 0 where its label is hidden.
    """

    def of(self, output: Output, batch: Batch) -> Terms:
        """Returns the terms of one output."""
        raise NotImplementedError

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the terms of the network's own output."""
        return self.of(outputs.own, batch)


@dataclass(frozen=True)
class CrossEntropy(LabelLoss):
    """L_ce = -log p(y|x) (SRDL paper, Eq 2).

    NOTE: the paper's Eq 2 lacks the minus sign.
    """

    def of(self, output: Output, batch: Batch) -> Terms:
        """Returns ``ce``."""
        from reid_srdl.training.terms import cross_entropy

        return {"ce": cross_entropy(output.logits, batch)}


def needs_of(loss: Loss) -> frozenset[str]:
    """Returns what a loss and the losses in its fields need.

    Raises:
        UserError: one asks for something that no phase can give.
    """
    asked = frozenset().union(*(part.needs for part in _losses_in(loss)))
    if unknown := sorted(asked - NEEDS):
        raise UserError(
            f"the loss {type(loss).__name__} asks for {', '.join(unknown)}, which no phase gives",
            f"losses may need {', '.join(sorted(NEEDS))}",
        )
    return asked


def modules_of(loss: Loss) -> dict[str, Callable[[Network], nn.Module]]:
    """Returns the factories of the modules that a loss trains, nested losses included.

    Raises:
        UserError: two of them have one name.
    """
    found: dict[str, Callable[[Network], nn.Module]] = {}
    for part in _losses_in(loss):
        for name, make in part.modules.items():
            if name in found:
                raise UserError(
                    f"the loss {type(loss).__name__} has two modules named {name!r}",
                    "name them apart",
                )
            found[name] = make
    return found


def rates_of(loss: Loss) -> dict[str, float]:
    """Returns the rates of the modules that have one of their own, nested losses' included."""
    return {name: rate for part in _losses_in(loss) for name, rate in part.rates.items()}


def knowledge_in(loss: Loss) -> tuple[str, ...]:
    """Returns the keys of all tables that a loss reads."""
    tables = (part.tables for part in nested(loss) if isinstance(part, Knowledge))
    return tuple(dict.fromkeys(key for keys in tables for key in keys))


def views_of_knowledge(loss: Loss) -> set[View | None]:
    """Returns of which classes' images a loss reads knowledge."""
    return {view for part in nested(loss) if isinstance(part, Knowledge) for view in part.views}


def _losses_in(loss: Any) -> list[Loss]:
    return [part for part in nested(loss) if isinstance(part, Loss)]
