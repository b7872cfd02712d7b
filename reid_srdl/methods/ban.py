"""Born-again networks and their two controls, CWTM and DKPP (Furlanello et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from reid_srdl.config import Temperature
from reid_srdl.methods.generations import GenerationsOptions, generations
from reid_srdl.methods.reference import KnowledgeOptions, Reference
from reid_srdl.training.losses import LabelLoss, Loss, Outputs

if TYPE_CHECKING:
    from torch import Tensor

    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class SuccessorOptions(KnowledgeOptions, GenerationsOptions):
    """Generations, each taught by the one before."""

    temperature: Temperature = Field(1.0, description="T, which softens both predictions")


class BANOptions(SuccessorOptions):
    """Born-again networks; the paper's T is 1."""

    name: str = "ban"
    labels: bool = Field(False, description="add the loss of the labels: BAN+L")


class CWTMOptions(SuccessorOptions):
    """Confidence weighted by the teacher's maximum."""

    name: str = "cwtm"
    temperature: Temperature = Field(1.0, description="T, which softens the teacher's prediction")


class DKPPOptions(SuccessorOptions):
    """Dark knowledge with permuted predictions."""

    name: str = "dkpp"


@dataclass(frozen=True)
class BornAgain(Loss):
    """L = T^2 CE(sg p_{k-1}, q_k), the labels' loss added in BAN+L.

    Attributes:
        knowledge: logits of generation k-1.
        temperature: T, which softens both predictions.
        standardise: logits are replaced by their z-scores first.
        labels: the recipe's loss of the labels; None: the labels are not seen.
    """

    knowledge: Reference
    temperature: float
    standardise: bool
    labels: LabelLoss | None = None

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns ``soft_ce``, after the labels' terms where there are any."""
        from reid_srdl.training.terms import soft_cross_entropy

        z_before, z = self.knowledge.logits(outputs, batch), outputs.own.logits
        T = self.temperature  # noqa: N806 - the papers' name
        hard = self.labels.of(outputs.own, batch) if self.labels else {}
        soft = soft_cross_entropy(z_before, z, T, self.standardise)
        return {**hard, "soft_ce": T**2 * soft}


@dataclass(frozen=True)
class Confident(Loss):
    """L = sum_s (w_s / sum_u w_u) L_labels(s), w_s = max_j p_{k-1}(j | x_s).

    Attributes:
        labels: the recipe's loss of the labels.
        knowledge, temperature, standardise: as in `BornAgain`.
    """

    labels: LabelLoss
    knowledge: Reference
    temperature: float
    standardise: bool

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the labels' terms as ``weighted_NAME``."""
        from reid_srdl.training.terms import softened

        z_before = self.knowledge.logits(outputs, batch)
        w = softened(z_before, self.temperature, self.standardise).amax(dim=1)
        w = w * batch.weight  # a hidden label has no weight
        # Of mean 1 over the known labels: what a weighted mean divides by is then their number.
        w = w * batch.weight.sum() / w.sum().clamp(min=1e-12)
        weighted = self.labels.of(outputs.own, replace(batch, weight=w))
        return {f"weighted_{name}": term for name, term in weighted.items()}


@dataclass(frozen=True)
class Permuted(Loss):
    """L = T^2 CE(phi(sg p_{k-1}), q_k), phi permutes all but the argmax.

    Attributes:
        knowledge, temperature, standardise: as in `BornAgain`.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"draws"})
    knowledge: Reference
    temperature: float
    standardise: bool

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns ``soft_ce``."""
        from reid_srdl.training.terms import log_softened, softened

        T = self.temperature  # noqa: N806 - the papers' name
        assert batch.draws is not None
        p = softened(self.knowledge.logits(outputs, batch), T, self.standardise)
        log_q = log_softened(outputs.own.logits, T, self.standardise)
        soft = -(permuted(p, batch.draws) * log_q).sum(dim=1).mean()
        return {"soft_ce": T**2 * soft}


def permuted(p: Tensor, draws: Tensor) -> Tensor:
    """Returns each row of B x C predictions with all but its argmax in the order of B x C draws."""
    import torch

    top = p.argmax(dim=1, keepdim=True)
    places = torch.arange(p.shape[1], device=p.device, dtype=draws.dtype).expand_as(draws)
    # Both lists end with the argmax, which therefore stays.
    to = places.scatter(1, top, float(p.shape[1])).argsort(dim=1)
    taken = draws.scatter(1, top, 2.0).argsort(dim=1)
    return torch.zeros_like(p).scatter(1, to, p.gather(1, taken))


def ban(trainer: Planner, epochs: int, options: BANOptions) -> dict[str, Model]:
    """Trains each generation by the predictions of the one before it alone, from new weights."""
    T, standardise = options.temperature, options.standardise  # noqa: N806
    labels = trainer.supervised if options.labels else None

    def loss(p: Reference) -> Loss:
        return BornAgain(p, T, standardise, labels)

    return generations(trainer, epochs, options.generations, options.view, loss, "ban")


def cwtm(trainer: Planner, epochs: int, options: CWTMOptions) -> dict[str, Model]:
    """Trains each generation by labels, weighted by how sure the one before it is."""
    T, standardise = options.temperature, options.standardise  # noqa: N806

    def loss(p: Reference) -> Loss:
        return Confident(trainer.supervised, p, T, standardise)

    return generations(trainer, epochs, options.generations, options.view, loss, "cwtm")


def dkpp(trainer: Planner, epochs: int, options: DKPPOptions) -> dict[str, Model]:
    """Trains each generation by the one before it, whose wrong classes are permuted."""
    T, standardise = options.temperature, options.standardise  # noqa: N806

    def loss(p: Reference) -> Loss:
        return Permuted(p, T, standardise)

    return generations(trainer, epochs, options.generations, options.view, loss, "dkpp")
