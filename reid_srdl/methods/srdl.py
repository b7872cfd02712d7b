"""Self-Referenced Deep Learning (Lan, Zhu, Gong: Self-Referenced Deep Learning, Algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from reid_srdl.methods.reference import KnowledgeOptions, Reference, consult
from reid_srdl.training.losses import LabelLoss, Loss, Outputs
from reid_srdl.training.schedule import Span

if TYPE_CHECKING:
    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class SRDLOptions(KnowledgeOptions):
    """SRDL as published (T in Eq 5 and Eq 7 is 3), and each departure that the paper analyses."""

    name: str = "srdl"
    schedule: Literal["complete", "incomplete"] = Field(
        "complete", description="a whole step decay in each stage (Eq 4), or one over both (Eq 3)"
    )
    restart: bool = Field(True, description="stage two starts from a new random initialisation")


@dataclass(frozen=True)
class Referenced(Loss):
    """L = L_ce + T^2 * R_kl (Eq 7): the labels and the knowledge supervise at once.

    Attributes:
        labels: the recipe's loss of the labels, L_ce (Eq 2).
        knowledge: the reference's logits, z*.
        temperature: T, which softens both predictions (Eq 5).
        standardise: logits are replaced by their z-scores first.
    """

    labels: LabelLoss
    knowledge: Reference
    temperature: float
    standardise: bool = False

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the labels' terms and ``kl``."""
        from reid_srdl.training.terms import soft_kl

        z_star, z = self.knowledge.logits(outputs, batch), outputs.own.logits
        T = self.temperature  # noqa: N806 - the paper's name
        L_ce = self.labels.of(outputs.own, batch)  # noqa: N806 - Eq 2
        R_kl = soft_kl(z_star, z, T, self.standardise)  # noqa: N806 - Eq 6
        return {**L_ce, "kl": T**2 * R_kl}


def srdl(trainer: Planner, epochs: int, options: SRDLOptions) -> dict[str, Model]:
    """Runs Algorithm 1: train, extract the network's own knowledge, restart, train with both.

    NOTE: where M is odd, stage one takes floor(M/2) epochs. The half-trained model stays readable
    as the phase ``first``.
    """
    M = epochs  # noqa: N806 - the paper's name
    half = M // 2
    complete = options.schedule == "complete"
    stage_one = Span(0, half) if complete else Span(0, M)
    stage_two = Span(0, M - half) if complete else Span(half, M)

    # (I) First stage learning: Eq 2 under Eq 4
    theta = trainer.new_model()
    L_ce = trainer.supervised  # noqa: N806 - the paper's name
    theta_star = trainer.fit(theta, epochs=half, loss=L_ce, span=stage_one, name="first")

    # Knowledge extraction: Eq 5
    knowledge, consulted = consult(trainer, options.view, theta_star)

    # (II) Second stage learning: random restart, Eq 7 under Eq 4
    theta = trainer.new_model("restart") if options.restart else theta_star
    loss = Referenced(L_ce, knowledge, options.temperature, options.standardise)
    theta = trainer.fit(
        theta, epochs=M - half, loss=loss, span=stage_two, name="second", frozen=consulted
    )
    return {"srdl": theta}
