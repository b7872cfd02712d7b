"""Group norm with weight standardisation, as BiT has them (Kolesnikov et al. 2020, section 2.1).

Group norm is Wu and He 2018, weight standardisation Qiao et al. 2019: neither depends on the batch,
so that any batch size, one image or many processes give the same network.
"""

from __future__ import annotations

from math import gcd

import torch
from torch import Tensor, nn

from reid_srdl.models.answering import Answering
from reid_srdl.models.network import Network
from reid_srdl.models.refusing import refused

_CHANGE = "group norm (model.norm)"
_EPSILON = 1e-10  # of the authors' code, added to a filter's variance


class StandardConv2d(nn.Conv2d):
    """A convolution by w^ = (w - mean(w)) / sqrt(var(w) + 1e-10), both over each filter.

    Args:
        plain: the convolution in whose place it stands; its weights become this one's.
    """

    def __init__(self, plain: nn.Conv2d) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(plain.__dict__)

    def forward(self, x: Tensor) -> Tensor:
        """Maps B x inputs x H x W to B x outputs x H' x W'."""
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        standardised = (self.weight - mean) / torch.sqrt(variance + _EPSILON)
        answered: Tensor = self._conv_forward(x, standardised, self.bias)
        return answered


def add_group_norm(network: Network, groups: int) -> None:
    """Puts group norm in place of the trunk's batch norms, and standardises its convolutions.

    Raises:
        UserError: the trunk has no batch norm, or norms that are a library's own.
    """
    norms = [m for m in network.trunk.modules() if isinstance(m, nn.BatchNorm2d)]
    if not norms:
        raise refused(network, _CHANGE, "it has no batch norm")
    if own := [type(norm).__name__ for norm in norms if type(norm) is not nn.BatchNorm2d]:
        raise refused(network, _CHANGE, f"its norms are a library's own, {own[0]}")
    _exchange(network.trunk, groups)


def add_group_norm_to_branch(branch: Answering, groups: int) -> None:
    """Does the same to the layers of a branch."""
    _exchange(branch, groups)


def _exchange(part: nn.Module, groups: int) -> None:
    """Exchanges norms, and convolutions that have no bias because a norm follows."""
    for module in part.modules():
        for name, child in list(module.named_children()):
            if type(child) is nn.BatchNorm2d:
                setattr(module, name, _normed(child, groups))
            elif type(child) is nn.Conv2d and child.bias is None:
                setattr(module, name, StandardConv2d(child))


def _normed(norm: nn.BatchNorm2d, groups: int) -> nn.GroupNorm:
    """Returns group norm with the scale and shift of a batch norm of D channels.

    NOTE: narrow layers have fewer groups than asked for, so that a group has two channels or more:
    a group of one is instance norm, which forgets how strong a channel answers.
    """
    channels = norm.num_features
    made = nn.GroupNorm(gcd(groups, channels // 2 if channels % 2 == 0 else channels), channels)
    made.weight, made.bias = norm.weight, norm.bias
    return made
