"""Self-Referenced Deep Learning (Lan, Zhu, Gong: Self-Referenced Deep Learning, Algorithm 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from reid_srdl.config import MethodOptions

if TYPE_CHECKING:
    from reid_srdl.training.trainer import Model, Trainer


class SRDLOptions(MethodOptions):
    """SRDL as published, and each departure that the paper analyses."""

    name: str = "srdl"
    temperature: float = Field(3.0, gt=0, description="T in Eq 5 and Eq 7")
    schedule: Literal["complete", "incomplete"] = Field(
        "complete", description="a whole step decay in each stage (Eq 4), or one over both (Eq 3)"
    )
    restart: bool = Field(True, description="stage two starts from a new random initialisation")
    view: Literal["clean", "clean+flip"] = Field(
        "clean", description="images whose logits are the knowledge; clean+flip averages both"
    )

    @property
    def minimum_epochs(self) -> int:
        """One for each stage."""
        return 2

    def networks(self) -> tuple[str, ...]:
        """The result, and its half-trained self."""
        return (self.name, "first")


def srdl(trainer: Trainer, epochs: int, options: SRDLOptions) -> dict[str, Model]:
    """Runs Algorithm 1: train, extract the network's own knowledge, restart, train with both.

    NOTE: where M is odd, stage one takes floor(M/2) epochs. The half-trained model stays readable
    as the phase ``first``.
    """
    from reid_srdl.training.losses import cross_entropy, referenced  # brings torch
    from reid_srdl.training.schedule import Span

    M = epochs  # noqa: N806 - the paper's name
    half = M // 2
    complete = options.schedule == "complete"
    stage_one = Span(0, half) if complete else Span(0, M)
    stage_two = Span(0, M - half) if complete else Span(half, M)

    # (I) First stage learning: Eq 2 under Eq 4
    theta = trainer.new_model()
    theta_star = trainer.fit(theta, epochs=half, loss=cross_entropy, span=stage_one, name="first")

    # Knowledge extraction: Eq 5
    knowledge = trainer.extract(theta_star, flip=options.view == "clean+flip")

    # (II) Second stage learning: random restart, Eq 7 under Eq 4
    theta = trainer.new_model("restart") if options.restart else theta_star
    loss = referenced(knowledge, options.temperature)
    theta = trainer.fit(theta, epochs=M - half, loss=loss, span=stage_two, name="second")

    return {"srdl": theta}
