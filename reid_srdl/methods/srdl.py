"""Self-Referenced Deep Learning (Lan, Zhu, Gong: Self-Referenced Deep Learning, Algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from reid_srdl.methods.generations import shares
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
    restart: bool = Field(True, description="later stages start from new random initialisations")
    stages: int = Field(
        2, ge=2, le=1000, description="that share the epochs, each taught by the one before it"
    )


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

    With more than two stages each learns from the one before it as stage two does from stage one.

    NOTE: where the stages do not divide M, the last takes the rest: where M is odd, stage one takes
    floor(M/2) epochs. With fewer epochs than stages, each stage makes its part of every epoch. Each
    stage's network stays readable as its phase, such as ``first``.
    """
    M, k = epochs, options.stages  # noqa: N806 - the paper's name
    complete = options.schedule == "complete"
    spans = [
        (m, Span(0, m) if complete else Span(start, M)) for start, m in shares(M, k)
    ]  # Eq 4, or Eq 3
    part = 1.0
    if k > M and complete:
        spans, part = [(M, Span(0, M))] * k, 1 / k

    # (I) First stage learning: Eq 2 under Eq 4
    m, span = spans[0]
    theta = trainer.new_model()
    L_ce = trainer.supervised  # noqa: N806 - the paper's name
    theta_star = trainer.fit(theta, epochs=m, loss=L_ce, span=span, name="first", share=part)

    for stage, (m, span) in enumerate(spans[1:], start=2):
        name, again = ("second", "") if stage == 2 else (f"stage-{stage}", f"-{stage - 1}")

        # Knowledge extraction: Eq 5
        known = f"knowledge{again}"
        knowledge, consulted = consult(trainer, options.view, theta_star, name=known)

        # (II) Second stage learning: random restart, Eq 7 under Eq 4
        theta = trainer.new_model(f"restart{again}") if options.restart else theta_star
        loss = Referenced(L_ce, knowledge, options.temperature, options.standardise)
        theta_star = trainer.fit(
            theta, epochs=m, loss=loss, span=span, name=name, frozen=consulted, share=part
        )
    return {"srdl": theta_star}
