"""How ``fit`` descends: the optimiser and its settings. Needs no torch until one is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reid_srdl.training.schedule import StepDecay

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Optimisation:
    """SGD with step decay (SRDL paper, section 4.1); each phase starts it afresh."""

    decay: StepDecay
    momentum: float
    nesterov: bool
    weight_decay: float
    batch_size: int

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Returns an optimiser; its learning rate is a tensor on the parameters' device."""
        import torch

        parameters = list(parameters)
        return torch.optim.SGD(
            parameters,
            lr=torch.tensor(self.decay.lr, device=parameters[0].device),
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            fused=True,
        )
