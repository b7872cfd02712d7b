"""Deep Mutual Learning (Zhang et al. 2018): a cohort of networks that teach each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from reid_srdl.config import Temperature
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.methods.reference import SofteningOptions
from reid_srdl.models import NETWORK_NAMES
from reid_srdl.training.losses import LabelLoss, Loss, Outputs

if TYPE_CHECKING:
    from torch import Tensor

    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class DMLOptions(SofteningOptions):
    """The cohort, in which order it steps, and how its networks learn from each other."""

    name: str = "dml"
    networks: int | tuple[str, ...] = Field(
        2, description="K of the run's own network, or names of the peers that join it"
    )
    order: Literal["in_turn", "at_once"] = Field(
        "in_turn", description="the next network sees the refreshed ones before it, or all step"
    )
    strategy: Literal[1, 2] = Field(
        1, description="of K > 2: the mean of the peers' KLs, or the KL to their mean posterior"
    )
    feature_l2: float = Field(
        0.0, ge=0, le=10**6, description="weight of the squared distance to the peers' features"
    )
    temperature: Temperature = Field(1.0, description="T, which softens all predictions")

    @property
    def peers(self) -> tuple[str | None, ...]:
        """The networks beside the first, by name; None: the run's own."""
        if isinstance(self.networks, int):
            return (None,) * (self.networks - 1)
        return self.networks

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields a cohort of one, and one that no machine holds."""
        given = self.networks
        size = given if isinstance(given, int) else 1 + len(given)
        if not 2 <= size <= 100:
            what = f"a cohort of {size}: it takes 2 to 100 networks"
            yield "networks", what, ("networks", 2)


@dataclass(frozen=True)
class Mutual(Loss):
    """L_i = L_labels + T^2 D_KL(peers || p_i) + w L2: the loss of network i of K.

    The paper's Eq 5 and 7 with T = 1; peers are constants. Strategy 1 averages K - 1 divergences,
    D_KL = 1/(K - 1) sum_{k != i} KL(p_k || p_i); strategy 2 has the mean posterior as teacher,
    D_KL = KL(1/(K - 1) sum_{k != i} p_k || p_i). They differ by a constant: the gradients of both
    are 1/(K - 1) sum_k (p_i - p_k) / T.

    L2 = 1/(K - 1) sum_{k != i} |F_i - F_k|^2: F are the features that the classifier weighs, as
    they are (not normalised); squares are summed over their length and averaged over the batch.
    NOTE: the slides try L2 to see whether networks learn unlike features, and write no formula.

    Attributes:
        labels: the recipe's loss of the labels.
        strategy: 1 or 2.
        feature_l2: w.
        temperature: T.
        standardise: logits are replaced by their z-scores first.
    """

    labels: LabelLoss
    strategy: int = 1
    feature_l2: float = 0.0
    temperature: float = 1.0
    standardise: bool = False

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the labels' terms, ``kl`` and, if it is weighed, ``l2``."""
        from reid_srdl.training.terms import soft_kl

        z_i, T = outputs.own.logits, self.temperature  # noqa: N806 - the paper's name
        z = [peer.logits for peer in outputs.peers.values()]
        if self.strategy == 2:
            kl = soft_kl(z, z_i, T, self.standardise)
        else:
            kl = _mean([soft_kl(z_k, z_i, T, self.standardise) for z_k in z])
        terms = {**self.labels.of(outputs.own, batch), "kl": T**2 * kl}
        if self.feature_l2:
            F_i = outputs.own.features  # noqa: N806
            each = [_squared(F_i, peer.features) for peer in outputs.peers.values()]
            terms["l2"] = self.feature_l2 * _mean(each)
        return terms


def _squared(own: Tensor, peer: Tensor) -> Tensor:
    """Returns the mean over a batch of |F_i - F_k|^2."""
    if own.shape != peer.shape:
        raise UserError(
            f"method.feature_l2: features of {own.shape[1]} and of {peer.shape[1]} numbers have "
            "no distance",
            "leave it at 0, or choose networks of the same features: method.networks=2",
            usage=True,
        )
    return (own - peer).square().sum(dim=1).mean()


def _mean(values: list[Tensor]) -> Tensor:
    return sum(values[1:], values[0]) / len(values)


def dml(trainer: Planner, epochs: int, options: DMLOptions) -> dict[str, Model]:
    """Trains all networks on the same batches (Algorithm 1, or all at once); judges all as one.

    In the paper's order a step costs (4K - 1) F, F a forward pass: K passes, K backward passes,
    and K - 1 passes that refresh an answer; at once 3 K F.
    """
    cohort = {"dml": trainer.new_model()}
    for number, peer in enumerate(options.peers, start=2):
        if peer is not None and peer not in NETWORK_NAMES:
            what = f"method.networks: no such network {peer!r}"
            raise UserError(what, did_you_mean(peer, NETWORK_NAMES), usage=True)
        own: dict[str, Any] = {} if peer is None else {"name": peer}
        cohort[f"dml-{number}"] = trainer.new_model(f"dml-{number}", **own)

    how = (options.strategy, options.feature_l2, options.temperature, options.standardise)
    losses = dict.fromkeys(cohort, Mutual(trainer.supervised, *how))
    in_turn = options.order == "in_turn"
    trained = trainer.fit_together(cohort, losses, epochs=epochs, name="mutual", in_turn=in_turn)
    trainer.ensemble(*trained)
    return trained
