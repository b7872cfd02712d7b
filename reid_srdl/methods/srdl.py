"""Self-Referenced Deep Learning (Lan, Zhu, Gong: Self-Referenced Deep Learning, Algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from reid_srdl.config import MethodOptions, Temperature
from reid_srdl.training.losses import LabelLoss, Loss, Outputs
from reid_srdl.training.schedule import Span
from reid_srdl.training.values import Knowledge

if TYPE_CHECKING:
    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class SRDLOptions(MethodOptions):
    """SRDL as published, and each departure that the paper analyses."""

    name: str = "srdl"
    temperature: Temperature = Field(3.0, description="T in Eq 5 and Eq 7")
    schedule: Literal["complete", "incomplete"] = Field(
        "complete", description="a whole step decay in each stage (Eq 4), or one over both (Eq 3)"
    )
    restart: bool = Field(True, description="stage two starts from a new random initialisation")
    view: Literal["clean", "clean+flip"] = Field(
        "clean", description="images whose logits are the knowledge; clean+flip averages both"
    )


@dataclass(frozen=True)
class Referenced(Loss):
    """L = L_ce + T^2 * R_kl (Eq 7): the labels and the knowledge supervise at once.

    Attributes:
        labels: the recipe's loss of the labels, L_ce (Eq 2).
        knowledge: the reference's logits, one row per training sample.
        temperature: T, which softens both predictions (Eq 5).
    """

    labels: LabelLoss
    knowledge: Knowledge
    temperature: float

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the labels' terms and ``kl``."""
        from reid_srdl.training.terms import soft_kl

        z_star, z = batch.logits_of(self.knowledge.tables), outputs.own.logits
        T = self.temperature  # noqa: N806 - the paper's name
        L_ce = self.labels.of(outputs.own, batch)  # noqa: N806 - Eq 2
        R_kl = soft_kl(z_star, z, T)  # noqa: N806 - Eq 6
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
    knowledge = trainer.extract(theta_star, flip=options.view == "clean+flip")

    # (II) Second stage learning: random restart, Eq 7 under Eq 4
    theta = trainer.new_model("restart") if options.restart else theta_star
    loss = Referenced(L_ce, knowledge, options.temperature)
    theta = trainer.fit(theta, epochs=M - half, loss=loss, span=stage_two, name="second")

    return {"srdl": theta}
