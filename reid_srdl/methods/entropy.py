"""The confidence penalty (Pereyra et al. 2017), the control of Deep Mutual Learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from reid_srdl.config import MethodOptions
from reid_srdl.training.losses import LabelLoss, Loss, Outputs

if TYPE_CHECKING:
    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class EntropyOptions(MethodOptions):
    """How much entropy is worth."""

    name: str = "entropy"
    beta: float = Field(0.1, ge=0, le=10**6, description="weight of the predictions' entropy")


@dataclass(frozen=True)
class Penalised(Loss):
    """L = L_labels - beta H(q), H(q) = -sum_j q_j log q_j, q = softmax(z).

    Does a peer help because it keeps predictions unsure? Then this would help as much.
    H needs no label: it is averaged over all images of a batch.

    Attributes:
        labels: the recipe's loss of the labels.
        beta: the weight.
    """

    labels: LabelLoss
    beta: float

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the labels' terms and ``entropy``, which is negative."""
        log_q = outputs.own.logits.log_softmax(dim=1)
        H = -(log_q.exp() * log_q).sum(dim=1).mean()  # noqa: N806 - the paper's name
        return {**self.labels.of(outputs.own, batch), "entropy": -self.beta * H}


def entropy(trainer: Planner, epochs: int, options: EntropyOptions) -> dict[str, Model]:
    """Trains one network by labels and by its own entropy."""
    loss = Penalised(trainer.supervised, options.beta)
    return {"entropy": trainer.fit(trainer.new_model(), epochs=epochs, loss=loss, name="entropy")}
