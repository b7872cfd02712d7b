"""Be Your Own Teacher (Zhang et al. 2019), and deeply supervised nets: a classifier per stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from reid_srdl.config import MethodOptions
from reid_srdl.errors import UserError
from reid_srdl.methods.reference import SofteningOptions
from reid_srdl.models.changes import Branches
from reid_srdl.training.losses import LabelLoss, Loss, Outputs

if TYPE_CHECKING:
    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class DSNOptions(MethodOptions):
    """None: every classifier learns from the labels alone."""

    name: str = "dsn"


class BYOTOptions(SofteningOptions):
    """How much the shallow classifiers learn from the deepest one."""

    name: str = "byot"
    alpha: float = Field(0.1, ge=0, le=1, description="a, the share of the deepest's predictions")
    features: float = Field(1e-6, ge=0, le=10**6, description="lambda, of its features")


@dataclass(frozen=True)
class DeeplySupervised(Loss):
    """L = sum_i L_labels(q_i): the labels alone, at each of C classifiers (Lee et al. 2015).

    Attributes:
        labels: the recipe's loss of the labels.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"branches"})
    labels: LabelLoss

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the labels' terms, those of a branch as ``branch1_ce`` and so on."""
        terms = dict(self.labels.of(outputs.own, batch))
        for i, q_i in outputs.own.branches.items():
            terms |= {f"{i}_{name}": term for name, term in self.labels.of(q_i, batch).items()}
        return terms


@dataclass(frozen=True)
class SelfDistilled(Loss):
    """L = sum_i (1 - a) L_labels(q_i) + a T^2 KL(q_C || q_i) + lambda |F_i - F_C|^2.

    C is the deepest classifier, for which a = lambda = 0; q_C and F_C are constants. F are pooled
    features, before any neck; squares are summed over their length and averaged over the batch.

    NOTE: the paper writes KL(q_i, q_C) and no T^2. The deepest one is the teacher, as everywhere
    else, and T^2 keeps its gradient at the labels' scale.

    Attributes:
        labels: the recipe's loss of the labels.
        alpha, features: a and lambda.
        temperature: T.
        standardise: logits are replaced by their z-scores first.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"branches"})
    labels: LabelLoss
    alpha: float
    features: float
    temperature: float
    standardise: bool = False

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the deepest's terms of the labels, and each branch's, ``kl`` and ``l2``."""
        from reid_srdl.training.terms import soft_kl

        a, T = self.alpha, self.temperature  # noqa: N806 - the paper's names
        z_C, F_C = outputs.own.logits.detach(), outputs.own.pooled.detach()  # noqa: N806
        terms = dict(self.labels.of(outputs.own, batch))
        for i, own in outputs.own.branches.items():
            hard = self.labels.of(own, batch)
            kl = soft_kl(z_C, own.logits, T, self.standardise)
            l2 = (own.pooled - F_C).square().sum(dim=1).mean()
            terms |= {f"{i}_{name}": (1 - a) * term for name, term in hard.items()}
            terms[f"{i}_kl"] = a * T**2 * kl
            terms[f"{i}_l2"] = self.features * l2
        return terms


def byot(trainer: Planner, epochs: int, options: BYOTOptions) -> dict[str, Model]:
    """Trains all classifiers at once, the shallow ones also by the deepest."""
    how = (options.alpha, options.features, options.temperature, options.standardise)
    return _branched(trainer, epochs, SelfDistilled(trainer.supervised, *how), "byot")


def dsn(trainer: Planner, epochs: int, options: DSNOptions) -> dict[str, Model]:
    """Trains all classifiers at once by the labels."""
    return _branched(trainer, epochs, DeeplySupervised(trainer.supervised), "dsn")


def _branched(trainer: Planner, epochs: int, loss: Loss, name: str) -> dict[str, Model]:
    """Returns the trunk alone, which is deployed, then each branch with the trunk up to it."""
    start = trainer.new_model(changes=(Branches(),))
    try:
        stages = trainer.stages(start)
    except UserError as error:
        what = f"method {name} has a classifier at each stage: {error.what}"
        raise UserError(what, error.hint, usage=True) from None
    trained = trainer.fit(start, epochs=epochs, loss=loss, name="branched")
    branches = [f"branch{number}" for number in range(1, len(stages))]
    models = {name: trainer.part(trained, "trunk")}
    models |= {branch: trainer.part(trained, branch) for branch in branches}
    trainer.ensemble(*models)
    return models
