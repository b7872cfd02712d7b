"""A frozen teacher whose stage a head of the student follows, up to there; then the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from reid_srdl.config import MethodOptions
from reid_srdl.methods import Method
from reid_srdl.training.losses import Loss
from reid_srdl.training.values import up_to

MIDDLE = 1  # the second stage


def conv1x1(student: Any, guided: str, teacher: Any, hint: str) -> Any:
    """Returns a 1 x 1 convolution from the student's channels to the teacher's."""
    from torch import nn

    from reid_srdl.models.empty_pass import stage_shapes

    inputs, outputs = (
        stage_shapes(network, network.spec.size)[stage][0]
        for network, stage in ((student, guided), (teacher, hint))
    )
    return nn.Conv2d(inputs, outputs, 1)


@dataclass(frozen=True)
class Hint(Loss):
    """Half the squared difference of the head's maps and the teacher's, both of length one."""

    needs: ClassVar[frozenset[str]] = frozenset({"stages"})
    place: int

    def __call__(self, outputs: Any, batch: Any) -> Any:
        from torch.nn.functional import normalize

        guided = list(outputs.own.stages.values())[self.place]
        hint = list(outputs.frozen["teacher"].stages.values())[self.place]
        ours, theirs = (
            normalize(maps.float().flatten(1))
            for maps in (outputs.heads["regressor"](guided.float()), hint)
        )
        return {"hint": 0.5 * (ours - theirs).square().sum(dim=1).mean()}


def hinted(trainer: Any, epochs: int, options: MethodOptions) -> Any:
    """Trains a teacher, the student up to its middle by hints, then the student by labels."""
    half = epochs // 2
    teacher = trainer.trained(trainer.setting.network.name, half)
    student = trainer.new_model()
    guided = trainer.stages(student)[MIDDLE]
    hint = trainer.stages(teacher)[MIDDLE]
    regressor = trainer.new_head("regressor", conv1x1, student, guided, teacher, hint)
    student = trainer.fit(
        student,
        epochs=half,
        loss=Hint(MIDDLE),
        name="hints",
        frozen={"teacher": teacher},
        heads={"regressor": regressor},
        only=up_to(guided),
    )
    loss = trainer.supervised
    return {"hinted": trainer.fit(student, epochs=epochs - half, loss=loss, name="labels")}


program = Method(hinted, MethodOptions, "a student that follows a frozen teacher's middle stage")
