"""How ``fit`` descends: the optimiser and its settings. Needs no torch until one is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reid_srdl.training.schedule import Schedule

if TYPE_CHECKING:
    import torch
    from torch import nn

OptimizerName = Literal["sgd", "adam", "adamw"]
TRUNK = "trunk."  # what the names of a network's own layers begin with; the others are new


@dataclass(frozen=True)
class Optimisation:
    """SGD with step decay (SRDL paper, section 4.1) by default; each phase starts it afresh.

    Attributes:
        decay: the learning rate's schedule.
        momentum, nesterov: of SGD.
        weight_decay: L2 penalty; decoupled from the gradient in AdamW.
        batch_size: B.
        name: the optimiser: SGD, Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019).
        betas: of Adam and AdamW.
        decay_norms: False spares norms and biases, all that has one dimension, the weight decay.
        new_layers: factor on the rate of the layers outside the trunk.
        frozen: the first fraction of a phase's steps in which a loaded trunk stays as it is.
        clip: the largest norm of a network's gradient; None: any.
        max_norm: the largest norm of each unit's incoming weights, see `max_norm`; None: any.
        ema: decay of the average of the weights; None: none is kept.
        ema_teaches: what teaches is the averaged network.
    """

    decay: Schedule
    momentum: float
    nesterov: bool
    weight_decay: float
    batch_size: int
    name: OptimizerName = "sgd"
    betas: tuple[float, float] = (0.9, 0.999)
    decay_norms: bool = True
    new_layers: float = 1.0
    frozen: float = 0.0
    clip: float | None = None
    ema: float | None = None
    ema_teaches: bool = False
    max_norm: float | None = None

    def frozen_steps(self, steps: int) -> int:
        """Returns how many of a phase's steps leave a loaded trunk as it is.

        >>> from reid_srdl.training.schedule import StepDecay
        >>> Optimisation(StepDecay(0.1), 0.9, True, 0.0, 8, frozen=0.1).frozen_steps(25)
        3
        """
        return math.ceil(self.frozen * steps - 1e-9)

    def optimizer(self, parameters: Mapping[str, nn.Parameter]) -> torch.optim.Optimizer:
        """Returns an optimiser of named parameters; it descends in one fused kernel.

        The learning rate of each group is a tensor on the parameters' device, which each step
        fills with the schedule's rate times the group's ``factor``.
        """
        import torch

        groups = [self._group(own, *kind) for kind, own in self._kinds(parameters).items()]
        if self.name == "sgd":
            return torch.optim.SGD(
                groups, momentum=self.momentum, nesterov=self.nesterov, fused=True
            )
        made = torch.optim.Adam if self.name == "adam" else torch.optim.AdamW
        on_cuda = any(parameter.is_cuda for parameter in parameters.values())
        return made(groups, betas=self.betas, fused=True, capturable=on_cuda)

    def _kinds(
        self, parameters: Mapping[str, nn.Parameter]
    ) -> dict[tuple[bool, bool], list[nn.Parameter]]:
        """Sorts parameters by whether they decay and whether they are of the trunk.

        Those that a frozen phase begins without stand apart: a fused step wants the momentum of
        all of a group, or of none.
        """
        apart = self.new_layers != 1 or self.frozen > 0
        kinds: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in parameters.items():
            decays = self.decay_norms or parameter.ndim > 1
            new = apart and not name.startswith(TRUNK)
            kinds.setdefault((decays, new), []).append(parameter)
        return kinds

    def _group(self, parameters: Sequence[nn.Parameter], decays: bool, new: bool) -> dict[str, Any]:
        import torch

        return {
            "params": parameters,
            "lr": torch.tensor(self.decay.lr, device=parameters[0].device),
            "weight_decay": self.weight_decay if decays else 0.0,
            "factor": self.new_layers if new else 1.0,
        }


def at_constant_rate(parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Returns plain SGD whose rate no schedule changes: its group is marked ``constant``."""
    import torch

    return torch.optim.SGD([{"params": list(parameters), "constant": True}], lr=rate, fused=True)
