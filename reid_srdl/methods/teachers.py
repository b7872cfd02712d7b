"""What methods with a teacher share: whom it is, and how it is had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from reid_srdl.config import Epochs, MethodOptions, NetworkOrRun, NetworksOrRuns, run_of
from reid_srdl.errors import UserError

if TYPE_CHECKING:
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.values import Model

WHO = (
    "a network's name, trained first in the run, or a finished run's folder (with a slash in it: "
    "./NAME for one in the working directory)"
)


class TaughtOptions(MethodOptions):
    """Options of a student, whoever its teachers are."""

    teacher: NetworksOrRuns = Field(description=f"{WHO}; or a list of finished runs")
    teacher_epochs: Epochs | None = Field(
        None, description="epochs of a teacher trained in the run; default: the run's epochs"
    )

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields epochs of a teacher that is finished."""
        finished = isinstance(self.teacher, tuple) or run_of(self.teacher) is not None
        if finished and self.teacher_epochs is not None:
            yield "teacher_epochs", "is for a teacher that is trained in this run", None


class TeacherOptions(TaughtOptions):
    """Options of a student of one teacher."""

    teacher: NetworkOrRun = Field(min_length=1, description=WHO)


def taught_by(
    trainer: Planner,
    options: TeacherOptions,
    epochs: int,
    *,
    online: bool = False,
    logits: bool = True,
) -> Model:
    """Returns the teacher that the options name.

    NOTE: a teacher that is trained here is trained as the vanilla network of its name would be,
    with the run's own optimisation, and its cost counts.

    Args:
        trainer: whose verbs are used.
        options: name the teacher.
        epochs: of the run.
        online: it will see the student's very crops alone, resized to its own size.
        logits: it teaches by its logits, so that its classes must be the student's.

    Raises:
        UserError: as ``trained``.
    """
    lasts = options.teacher_epochs or epochs
    return trainer.trained(options.teacher, lasts, logits=logits, resized=online)


def stage_of(trainer: Planner, model: Model, asked: str | None, key: str) -> str:
    """Returns a stage's name as it was asked for, by default the middle one's.

    Args:
        trainer: knows the stages.
        model: whose stage.
        asked: its name; None: the second of three or four.
        key: the option that asks.

    Raises:
        UserError: the network has no stages, or none of this name.
    """
    names = trainer.stages(model)
    if asked is None:
        return names[(len(names) - 1) // 2]
    if asked not in names:
        raise UserError(
            f"method.{key}: {model.spec.name} has no stage {asked!r}",
            f"choose from: {', '.join(names)}",
            usage=True,
        )
    return asked
