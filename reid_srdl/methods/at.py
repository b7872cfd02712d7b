"""Attention transfer (Zagoruyko and Komodakis 2017): KD, and each stage's attention maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from reid_srdl.errors import UserError
from reid_srdl.methods.reference import SofteningOptions, consult
from reid_srdl.methods.srdl import Referenced
from reid_srdl.methods.teachers import TeacherOptions, taught_by
from reid_srdl.models import MODELS
from reid_srdl.training.losses import Loss, Outputs

if TYPE_CHECKING:
    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class ATOptions(SofteningOptions, TeacherOptions):
    """The weight of the maps. The teacher sees the very crops, and its logits are of these, too."""

    name: str = "at"
    beta: float = Field(1000.0, ge=0, le=1e6, description="weight of the maps' difference")


@dataclass(frozen=True)
class Attention(Loss):
    """L = L_labels + T^2 KL(p_T || q_T) + beta sum over stages of mean (Q_S - Q_T)^2.

    Q is a stage's attention map, of length one. NOTE: the squared difference is averaged over the
    places of a map, for which beta = 1000 is used; the paper takes its norm and beta / 2.

    Attributes:
        taught: the first two terms.
        stages: the stages that meet, the student's and the teacher's, from shallow to deep.
        beta: the weight of the maps.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"stages"})
    taught: Referenced
    stages: tuple[tuple[str, str], ...]
    beta: float

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the labels' terms, ``kl`` and ``attention``.

        Raises:
            UserError: no map has more than one place, so that all are equal.
        """
        import torch

        from reid_srdl.training.map_terms import attention, of_one_size
        from reid_srdl.training.pair_terms import whole

        each, places = [], 1
        for ours, theirs in self.stages:
            F_S = whole(outputs.own.stages[ours])  # noqa: N806 - the maps
            F_T = whole(outputs.frozen["teacher"].stages[theirs])  # noqa: N806
            Q_S, Q_T = map(attention, of_one_size(F_S, F_T))  # noqa: N806 - the paper's Q
            each.append((Q_S - Q_T).square().mean())
            places = max(places, Q_S.shape[1])
        if places == 1:
            raise _without_places("the two networks")
        return {**self.taught(outputs, batch), "attention": self.beta * torch.stack(each).sum()}


def at(trainer: Planner, epochs: int, options: ATOptions) -> dict[str, Model]:
    """Trains a student by labels, a teacher's logits and its attention maps at every stage.

    Raises:
        UserError: student and teacher have no stages, or not as many as each other; or their maps
            have one place each.
    """
    teacher = taught_by(trainer, options, epochs, online=True)
    student = trainer.new_model()
    for network in (student.spec.name, teacher.spec.name):
        if network in MODELS and not MODELS[network].places:
            raise _without_places(network)
    ours, theirs = trainer.stages(student), trainer.stages(teacher)
    if len(ours) != len(theirs):
        raise UserError(
            f"at: {student.spec.name} has {len(ours)} stages, its teacher {teacher.spec.name} "
            f"{len(theirs)}",
            "choose a teacher of as many stages",
            usage=True,
        )
    answers, frozen = consult(trainer, "online", teacher)
    taught = Referenced(trainer.supervised, answers, options.temperature, options.standardise)
    loss = Attention(taught, tuple(zip(ours, theirs, strict=True)), options.beta)
    return {"at": trainer.fit(student, epochs=epochs, loss=loss, name="at", frozen=frozen)}


def _without_places(networks: str) -> UserError:
    """Returns the error of maps that are all equal: of one place, and of length one."""
    return UserError(
        f"at: the stages of {networks} have maps of one place: there is no attention to transfer",
        "choose a network with maps of several places, e.g. resnet8, or another method, e.g. kd",
        usage=True,
    )
