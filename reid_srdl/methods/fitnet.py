"""FitNets (Romero et al. 2015): hints of a teacher's middle, then knowledge distillation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from reid_srdl.config import Epochs
from reid_srdl.methods.reference import KnowledgeOptions, consult
from reid_srdl.methods.srdl import Referenced
from reid_srdl.methods.teachers import TeacherOptions, stage_of, taught_by
from reid_srdl.training.losses import Loss, Outputs
from reid_srdl.training.values import up_to

if TYPE_CHECKING:
    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class FitNetOptions(KnowledgeOptions, TeacherOptions):
    """Which stages meet, and for how long the hints last."""

    name: str = "fitnet"
    guided: str | None = Field(
        None, description="the student's stage that is guided; default: its middle one"
    )
    hint: str | None = Field(
        None, description="the teacher's stage that is the hint; default: its middle one"
    )
    hint_epochs: Epochs | None = Field(
        None, description="epochs of the hint stage; default: a quarter of the run's"
    )


@dataclass(frozen=True)
class Hint(Loss):
    """L_hint = 1/2 |r(F_guided) - sg(F_hint)|^2 (Romero et al. 2015).

    NOTE: the squares are averaged over the maps' elements, where the paper adds them up, so that a
    recipe's learning rate fits maps of any size. Maps of different heights or widths are averaged
    down to the smaller.

    Attributes:
        guided: the student's stage.
        hint: the teacher's.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"stages"})
    guided: str
    hint: str

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns ``hint``."""
        from reid_srdl.training.map_terms import of_one_size
        from reid_srdl.training.pair_terms import whole

        F_guided = whole(outputs.own.stages[self.guided])  # noqa: N806 - the paper's F
        F_hint = whole(outputs.frozen["teacher"].stages[self.hint])  # noqa: N806
        ours, theirs = of_one_size(outputs.heads["regressor"](F_guided), F_hint)
        return {"hint": 0.5 * (ours - theirs).square().mean()}


def fitnet(trainer: Planner, epochs: int, options: FitNetOptions) -> dict[str, Model]:
    """Runs both stages: the student's front by hints, then the whole student by KD.

    Stage 1 trains up to the guided stage, and the regressor r; nothing above is computed. Stage 2
    is L = L_ce + T^2 KL(p_T || q_T) from there, with a fresh optimiser and a whole schedule.
    """
    hint_epochs = options.hint_epochs or max(epochs // 4, 1)
    teacher = taught_by(trainer, options, epochs, online=options.view == "online")
    student = trainer.new_model()
    guided = stage_of(trainer, student, options.guided, "guided")
    hint = stage_of(trainer, teacher, options.hint, "hint")
    regressor = trainer.new_head("regressor", conv1x1, student, guided, teacher, hint)
    student = trainer.fit(
        student,
        epochs=hint_epochs,
        loss=Hint(guided, hint),
        name="hints",
        frozen={"teacher": teacher},
        heads={"regressor": regressor},
        only=up_to(guided),
    )
    knowledge, consulted = consult(trainer, options.view, teacher)
    loss = Referenced(trainer.supervised, knowledge, options.temperature, options.standardise)
    left = epochs - hint_epochs
    return {"fitnet": trainer.fit(student, epochs=left, loss=loss, name="kd", frozen=consulted)}


def conv1x1(student: Any, guided: str, teacher: Any, hint: str) -> Any:
    """Returns r, a 1 x 1 convolution from the student's channels to the teacher's."""
    from torch import nn

    from reid_srdl.models.empty_pass import stage_shapes

    size = student.spec.size or teacher.spec.size or (224, 224)
    inputs, _, _ = stage_shapes(student, size)[guided]
    outputs, _, _ = stage_shapes(teacher, teacher.spec.size or size)[hint]
    return nn.Conv2d(inputs, outputs, 1)
