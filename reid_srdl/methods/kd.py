"""Knowledge distillation (Hinton et al. 2015), in the SRDL paper's form or the lecture's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from reid_srdl.config import MethodOptions

if TYPE_CHECKING:
    from reid_srdl.training.losses import Loss
    from reid_srdl.training.trainer import Model, Trainer


class KDOptions(MethodOptions):
    """Distillation from a teacher; the SRDL paper's Table 2 takes the same T = 3."""

    name: str = "kd"
    teacher: str = Field(
        min_length=1,
        description="a network's name, trained first in the run, or a finished run's folder "
        "(with a slash in it: ./NAME for one in the working directory)",
    )
    teacher_epochs: int | None = Field(
        None, ge=1, description="epochs of a teacher trained in the run; default: the run's epochs"
    )
    temperature: float = Field(3.0, gt=0, description="T, which softens both predictions")
    form: Literal["paper", "lecture"] = Field(
        "paper", description="CE + T^2 KL(p_T, q_T), or (1-a) CE + a T^2 CE(p_T, q_T)"
    )
    alpha: float = Field(0.9, ge=0, le=1, description="a of the lecture's form")
    view: Literal["clean", "clean+flip"] = Field(
        "clean", description="images whose logits are the knowledge; clean+flip averages both"
    )

    @property
    def teacher_run(self) -> Path | None:
        """The finished run that teaches; None where the teacher is trained in this run."""
        return Path(self.teacher) if "/" in self.teacher or "\\" in self.teacher else None

    def epochs_in_all(self, epochs: int) -> int:
        """The student's, and the teacher's where this run trains it."""
        return epochs + (0 if self.teacher_run else self.teacher_epochs or epochs)

    def other_models(self) -> dict[str, str]:
        """The teacher, where this run trains it."""
        return {} if self.teacher_run else {"teacher": self.teacher}

    def networks(self) -> tuple[str, ...]:
        """The student, and the teacher where this run trains it."""
        return (self.name,) if self.teacher_run else (self.name, "teacher")

    def placed(self) -> Self:
        """Returns the options with the teacher's folder as an absolute path."""
        run = self.teacher_run
        return self.model_copy(update={"teacher": str(run.resolve())}) if run else self

    @model_validator(mode="after")
    def _a_finished_teacher_has_its_epochs(self) -> Self:
        if self.teacher_run and self.teacher_epochs is not None:
            raise ValueError("teacher_epochs is for a teacher that is trained in this run")
        return self


def kd(trainer: Trainer, epochs: int, options: KDOptions) -> dict[str, Model]:
    """Distils a teacher's knowledge into the run's network: fit, extract, fit.

    The paper's form is L = CE(y, q) + T^2 KL(p_T || q_T) (SRDL paper, Eq 7, with the teacher's
    knowledge), the lecture's L = (1 - a) CE(y, q) + a T^2 CE(p_T, q_T); p_T and q_T are the
    teacher's and the student's softmax(z / T).

    NOTE: a teacher that is trained here is trained as the vanilla network of its name would be,
    with the run's own optimisation, and its cost counts.
    """
    from reid_srdl.training.losses import balanced, cross_entropy, referenced  # brings torch

    if options.teacher_run:
        teacher = trainer.teacher(options.teacher_run)
    else:
        teacher = trainer.new_model("teacher", network=options.teacher)
        teacher_epochs = options.teacher_epochs or epochs
        teacher = trainer.fit(teacher, epochs=teacher_epochs, loss=cross_entropy, name="teacher")

    knowledge = trainer.extract(teacher, flip=options.view == "clean+flip")

    loss: Loss
    if options.form == "paper":
        loss = referenced(knowledge, options.temperature)
    else:
        loss = balanced(knowledge, options.temperature, options.alpha)
    student = trainer.fit(trainer.new_model(), epochs=epochs, loss=loss, name="kd")

    return {"kd": student}
