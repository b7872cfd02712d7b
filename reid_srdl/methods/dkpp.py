"""DKPP, dark knowledge with permuted predictions: a control of BAN (Furlanello et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from reid_srdl.methods.generations import SuccessorOptions, generations
from reid_srdl.methods.reference import Reference
from reid_srdl.training.losses import Loss, Outputs

if TYPE_CHECKING:
    from torch import Tensor

    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class DKPPOptions(SuccessorOptions):
    """Dark knowledge with permuted predictions."""

    name: str = "dkpp"


@dataclass(frozen=True)
class Permuted(Loss):
    """L = T^2 CE(phi(sg p_{k-1}), q_k), phi permutes all but the argmax.

    Attributes:
        knowledge, temperature, standardise: as in `methods.ban.BornAgain`.
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


def dkpp(trainer: Planner, epochs: int, options: DKPPOptions) -> dict[str, Model]:
    """Trains each generation by the one before it, whose wrong classes are permuted."""
    T, standardise = options.temperature, options.standardise  # noqa: N806

    def loss(p: Reference) -> Loss:
        return Permuted(p, T, standardise)

    return generations(trainer, epochs, options.generations, options.view, loss, "dkpp")
