"""The losses of labels that a recipe may ask for, as dataclasses. This file needs no torch.

Each term is what it adds to the sum, its weight included. All serve any output, a branch's too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from reid_srdl.config import LossConfig
from reid_srdl.errors import UserError
from reid_srdl.training.losses import CrossEntropy, LabelLoss

if TYPE_CHECKING:
    from torch import nn

    from reid_srdl.data.batches import Batch
    from reid_srdl.models.network import Network, Output
    from reid_srdl.training.terms import Terms

CENTRES = "label centres"  # no name that a method would give a module of its own


@dataclass(frozen=True)
class Smoothed(LabelLoss):
    """Cross-entropy with (1 - e) y + e / C in place of the label y (Szegedy et al. 2016).

    Attributes:
        smoothing: e.
    """

    smoothing: float

    def of(self, output: Output, batch: Batch) -> Terms:
        """Returns ``smoothed_ce``; the plain ``ce`` is measured beside it."""
        from reid_srdl.training.terms import smoothed_cross_entropy

        return {"smoothed_ce": smoothed_cross_entropy(output.logits, batch, self.smoothing)}


@dataclass(frozen=True)
class Triplet(LabelLoss):
    """The batch-hard triplet loss (Hermans et al. 2017) on features before a neck.

    Attributes:
        weight: of the term.
        margin: of the hinge; None: the soft margin.
    """

    weight: float
    margin: float | None

    def of(self, output: Output, batch: Batch) -> Terms:
        """Returns ``triplet``."""
        from reid_srdl.training.pair_terms import batch_hard

        return {"triplet": self.weight * batch_hard(output.pooled, batch, self.margin)}


@dataclass(frozen=True)
class Circle(LabelLoss):
    """The circle loss (Sun et al. 2020) on the features that retrieval ranks, normalised.

    Attributes:
        weight: of the term.
        margin: m.
        gamma: the scale of similarities.
    """

    weight: float
    margin: float
    gamma: float

    def of(self, output: Output, batch: Batch) -> Terms:
        """Returns ``circle``."""
        from reid_srdl.training.pair_terms import circle

        return {"circle": self.weight * circle(output.features, batch, self.margin, self.gamma)}


@dataclass(frozen=True)
class Centre(LabelLoss):
    """The centre loss (Wen et al. 2016) on features before a neck, with centres of its own.

    Branches share the centres of their network.

    Attributes:
        weight: of the term; the centres' own gradient is without it.
        lr: of the centres, which descend by plain SGD; a method that weighs its label loss weighs
            their gradient, too.
    """

    weight: float
    lr: float

    @property
    def modules(self) -> Mapping[str, Callable[[Network], nn.Module]]:
        """The C centres."""
        return {CENTRES: _new_centres}

    @property
    def rates(self) -> Mapping[str, float]:
        """The centres' constant rate."""
        return {CENTRES: self.lr}

    def of(self, output: Output, batch: Batch) -> Terms:
        """Returns ``centre``.

        Raises:
            UserError: the output's features are not as long as the network's own.
        """
        from reid_srdl.training.pair_terms import centre

        centres = cast("nn.Embedding", batch.modules[CENTRES])
        if (length := output.pooled.shape[1]) != centres.embedding_dim:
            raise UserError(
                f"loss.centre: a branch's features have {length} numbers, the network's have "
                f"{centres.embedding_dim}",
                "train this method without it: --set loss.centre.weight=0",
            )
        return {"centre": centre(output.pooled, batch, centres, self.weight)}


@dataclass(frozen=True)
class Together(LabelLoss):
    """Several losses of the labels, whose terms add up.

    Attributes:
        parts: the losses.
    """

    parts: tuple[LabelLoss, ...]

    def of(self, output: Output, batch: Batch) -> Terms:
        """Returns the terms of all parts."""
        return {name: term for part in self.parts for name, term in part.of(output, batch).items()}


def _new_centres(network: Network) -> nn.Module:
    from reid_srdl.training.pair_terms import new_centres

    return new_centres(network)


def supervised_by(loss: LossConfig) -> LabelLoss:
    """Returns the loss of the labels that a configuration asks for.

    >>> supervised_by(LossConfig())
    CrossEntropy()
    """
    parts: list[LabelLoss] = [Smoothed(loss.smoothing) if loss.smoothing else CrossEntropy()]
    if loss.triplet.weight:
        parts.append(Triplet(loss.triplet.weight, loss.triplet.margin))
    if loss.circle.weight:
        parts.append(Circle(loss.circle.weight, loss.circle.margin, loss.circle.gamma))
    if loss.centre.weight:
        parts.append(Centre(loss.centre.weight, loss.centre.lr))
    return parts[0] if len(parts) == 1 else Together(tuple(parts))
