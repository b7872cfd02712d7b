"""Losses as the papers write them: pure functions of an output and a batch, one tensor per term.

The term ``ce`` is always the plain cross-entropy with the labels, so that records compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

from reid_srdl.data.batches import Batch
from reid_srdl.models.network import Output
from reid_srdl.training.knowledge import Knowledge

Terms = dict[str, Tensor]


class Loss(Protocol):
    """What ``fit`` minimises: the sum of the terms.

    ``key`` names the loss, its settings and the phases whose results it reads; a phase that was
    trained with another loss is never taken for this one.
    """

    @property
    def key(self) -> str: ...

    def __call__(self, output: Output, batch: Batch) -> Terms: ...


@dataclass(frozen=True)
class CrossEntropy:
    """L_ce = -log p(y|x) (SRDL paper, Eq 2).

    NOTE: the paper's Eq 2 lacks the minus sign.
    """

    key: str = "cross_entropy"

    def __call__(self, output: Output, batch: Batch) -> Terms:
        return {"ce": F.cross_entropy(output.logits, batch.labels)}


cross_entropy = CrossEntropy()


@dataclass(frozen=True)
class Referenced:
    """L = L_ce + T^2 * R_kl (SRDL paper, Eq 7): the labels and the knowledge supervise at once.

    Attributes:
        knowledge: the half-trained model's logits, one row per training sample.
        temperature: T, which softens both predictions (Eq 5).
    """

    knowledge: Knowledge
    temperature: float

    @property
    def key(self) -> str:
        return f"referenced(knowledge={self.knowledge.key}, T={self.temperature})"

    def __call__(self, output: Output, batch: Batch) -> Terms:
        z_star = self.knowledge.logits_of(batch.index)
        L_ce = F.cross_entropy(output.logits, batch.labels)  # noqa: N806 - Eq 2
        R_kl = soft_kl(z_star, output.logits, self.temperature)  # noqa: N806 - Eq 6
        return {"ce": L_ce, "kl": self.temperature**2 * R_kl}


referenced = Referenced


@dataclass(frozen=True)
class Balanced:
    """L = (1 - a) CE(y, q) + a T^2 CE(p_T, q_T): the lecture's knowledge distillation.

    Its gradient is that of (1 - a) CE + a T^2 KL: the teacher's entropy is a constant.

    Attributes:
        knowledge: the teacher's logits, one row per training sample.
        temperature: T, which softens both predictions.
        alpha: a, the weight of the teacher.
    """

    knowledge: Knowledge
    temperature: float
    alpha: float

    @property
    def key(self) -> str:
        return f"balanced(knowledge={self.knowledge.key}, T={self.temperature}, alpha={self.alpha})"

    def __call__(self, output: Output, batch: Batch) -> Terms:
        z_t, z_s = self.knowledge.logits_of(batch.index), output.logits
        a, T = self.alpha, self.temperature  # noqa: N806 - the lecture's name
        hard = F.cross_entropy(z_s, batch.labels)
        soft = soft_cross_entropy(z_t, z_s, T)
        return {"weighted_ce": (1 - a) * hard, "soft_ce": a * T**2 * soft}


balanced = Balanced


def soft_kl(z_star: Tensor, z: Tensor, temperature: float) -> Tensor:
    """R_kl = sum_j p~(j|x, theta*) log(p~(j|x, theta*) / p~(j|x, theta)) (SRDL paper, Eq 6).

    Args:
        z_star: B x C logits of the reference, theta*.
        z: B x C logits of the network in training, theta.
        temperature: T of the softened softmax, Eq 5.

    Returns:
        The divergence in nats, averaged over the batch.

    >>> import torch
    >>> z_star, z = torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([[1.0, 2.0, 0.0]])
    >>> round(9 * soft_kl(z_star, z, 3.0).item(), 4)
    0.9007
    """
    log_p_star = F.log_softmax(z_star / temperature, dim=1)  # Eq 5 at theta*
    log_p = F.log_softmax(z / temperature, dim=1)  # Eq 5 at theta
    return (log_p_star.exp() * (log_p_star - log_p)).sum(dim=1).mean()


def soft_cross_entropy(z_star: Tensor, z: Tensor, temperature: float) -> Tensor:
    """CE(p_T, q_T) = -sum_j p_T(j) log q_T(j), averaged over the batch; shapes as ``soft_kl``."""
    p_star = F.softmax(z_star / temperature, dim=1)
    log_p = F.log_softmax(z / temperature, dim=1)
    return -(p_star * log_p).sum(dim=1).mean()
