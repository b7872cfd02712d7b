"""Knowledge distillation (Hinton et al. 2015), in the SRDL paper's form or the lecture's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from reid_srdl.config import If
from reid_srdl.methods.reference import KnowledgeOptions, Reference, consult
from reid_srdl.methods.srdl import Referenced
from reid_srdl.methods.teachers import TaughtOptions
from reid_srdl.training.losses import LabelLoss, Loss, Outputs

if TYPE_CHECKING:
    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class KDOptions(KnowledgeOptions, TaughtOptions):
    """Distillation from a teacher; the SRDL paper's Table 2 takes the same T = 3."""

    name: str = "kd"
    form: Literal["paper", "lecture"] = Field(
        "paper", description="CE + T^2 KL(p_T, q_T), or (1-a) CE + a T^2 CE(p_T, q_T)"
    )
    alpha: Annotated[float, If("form", "lecture")] = Field(
        0.9, ge=0, le=1, description="a of the lecture's form"
    )


@dataclass(frozen=True)
class Balanced(Loss):
    """L = (1 - a) L_labels + a T^2 CE(p_T, q_T): the lecture's knowledge distillation.

    Its gradient is that of (1 - a) CE + a T^2 KL: the teacher's entropy is a constant.

    Attributes:
        labels: the recipe's loss of the labels.
        knowledge: the teacher's logits.
        temperature: T, which softens both predictions.
        alpha: a, the weight of the teacher.
        standardise: logits are replaced by their z-scores first.
    """

    labels: LabelLoss
    knowledge: Reference
    temperature: float
    alpha: float
    standardise: bool = False

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the labels' terms as ``weighted_NAME``, and ``soft_ce``."""
        from reid_srdl.training.terms import soft_cross_entropy

        z_t, z_s = self.knowledge.logits(outputs, batch), outputs.own.logits
        a, T = self.alpha, self.temperature  # noqa: N806 - the lecture's name
        hard = self.labels.of(outputs.own, batch)
        soft = soft_cross_entropy(z_t, z_s, T, self.standardise)
        weighted = {f"weighted_{name}": (1 - a) * term for name, term in hard.items()}
        return {**weighted, "soft_ce": a * T**2 * soft}


def kd(trainer: Planner, epochs: int, options: KDOptions) -> dict[str, Model]:
    """Distils a teacher's knowledge into the run's network: fit, extract, fit.

    The paper's form is L = CE(y, q) + T^2 KL(p_T || q_T) (SRDL paper, Eq 7, with the teacher's
    knowledge), the lecture's L = (1 - a) CE(y, q) + a T^2 CE(p_T, q_T); p_T and q_T are the
    teacher's and the student's softmax(z / T).

    NOTE: a teacher that is trained here is trained as the vanilla network of its name would be,
    with the run's own optimisation, and its cost counts. Of several finished runs each one's
    logits are softened, then these are averaged.
    """
    named = options.teacher if isinstance(options.teacher, tuple) else (options.teacher,)
    lasts, online = options.teacher_epochs or epochs, options.view == "online"
    teachers = [trainer.trained(name, lasts, resized=online) for name in named]
    knowledge, consulted = consult(trainer, options.view, *teachers)

    labels, T = trainer.supervised, options.temperature  # noqa: N806 - the papers' name
    loss: Loss = Referenced(labels, knowledge, T, options.standardise)
    if options.form == "lecture":
        loss = Balanced(labels, knowledge, T, options.alpha, options.standardise)
    student = trainer.new_model()
    return {"kd": trainer.fit(student, epochs=epochs, loss=loss, name="kd", frozen=consulted)}
