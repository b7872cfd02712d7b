"""A network with a classifier after each stage, every one of them judged on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from reid_srdl.config import MethodOptions
from reid_srdl.methods import Method
from reid_srdl.models.changes import Branches
from reid_srdl.training.losses import LabelLoss, Loss


@dataclass(frozen=True)
class Supervised(Loss):
    """The labels' loss on the network and on each of its branches (DSN)."""

    needs: ClassVar[frozenset[str]] = frozenset({"branches"})
    labels: LabelLoss

    def __call__(self, outputs: Any, batch: Any) -> Any:
        terms = dict(self.labels.of(outputs.own, batch))
        for name, branch in outputs.own.branches.items():
            of_branch = self.labels.of(branch, batch)
            terms |= {f"{name}_{term}": value for term, value in of_branch.items()}
        return terms


def branched(trainer: Any, epochs: int, options: MethodOptions) -> Any:
    """Trains all classifiers at once; the trunk alone is the result."""
    start = trainer.new_model(changes=(Branches(),))
    loss = Supervised(trainer.supervised)
    trained = trainer.fit(start, epochs=epochs, loss=loss, name="branched")
    names = [f"branch{number}" for number in range(1, len(trainer.stages(start)))]
    return {name: trainer.part(trained, name) for name in ("trunk", *names)}


program = Method(branched, MethodOptions, "a classifier after each stage")
