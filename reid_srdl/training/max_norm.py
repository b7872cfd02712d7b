"""Weight constraints: no unit's incoming weights grow beyond a norm (Hinton et al. 2012, A.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models.network import Network


def units_of(network: Network, phase: str = "a phase") -> list[Tensor]:
    """Returns the weights that learn of a network's linear and convolutional layers.

    A unit's incoming weights are a row of a linear layer's matrix, or a filter of a convolution.
    Biases are not among them.

    Raises:
        UserError: no such layer learns.
    """
    layers = (m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d))
    weights = [layer.weight for layer in layers if layer.weight.requires_grad]
    if not weights:
        raise UserError(
            f"optim.max_norm: {phase} trains no linear and no convolutional layer of "
            f"{network.spec.name}",
            "leave optim.max_norm out",
            usage=True,
        )
    return weights


@torch.no_grad()
def clip_units(weights: list[Tensor], most: float) -> None:
    """Scales the incoming weights w of each unit where |w| > c to |w| = c, c = ``most``."""
    for weight in weights:
        torch.renorm(weight, p=2, dim=0, maxnorm=most, out=weight)
