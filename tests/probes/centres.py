"""A loss that trains centres of its own and weighs each sample by a drawn number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from reid_srdl.config import MethodOptions
from reid_srdl.methods import Method
from reid_srdl.training.losses import LabelLoss, Loss


@dataclass(frozen=True)
class Centred(Loss):
    """L + beta * mean of u |x - c_y|^2, u uniform in [0, 1) for each sample and epoch."""

    needs: ClassVar[frozenset[str]] = frozenset({"draws"})
    labels: LabelLoss
    beta: float

    @property
    def modules(self) -> Mapping[str, Any]:
        """The C centres."""
        return {"centres": new_centres}

    def __call__(self, outputs: Any, batch: Any) -> Any:
        from reid_srdl.training.terms import weighted_mean

        centres = outputs.heads["centres"](batch.labels)
        far = (outputs.own.features - centres).square().sum(dim=1)
        centre = weighted_mean(far * batch.draws[:, 0], batch.weight)
        return {**self.labels.of(outputs.own, batch), "centre": self.beta * centre}


def new_centres(network: Any) -> Any:
    """Returns one centre for each class, of a feature's length."""
    from torch import nn

    return nn.Embedding(network.classes, network.feature_dim)


def centred(trainer: Any, epochs: int, options: MethodOptions) -> Any:
    """Trains one network."""
    loss = Centred(trainer.supervised, 5e-4)
    return {"centred": trainer.fit(trainer.new_model(), epochs=epochs, loss=loss, name="centred")}


program = Method(centred, MethodOptions, "cross-entropy and trained centres")
