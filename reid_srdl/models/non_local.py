"""Non-local blocks (Wang et al. 2018), as AGW and SBS have them (Ye et al. 2021, section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reid_srdl.models.network import Network
from reid_srdl.models.refusing import refused

_LAST = {"layer2": 2, "layer3": 3}  # how many of its last blocks have one behind them


class NonLocalBlock(nn.Module):
    """z = W y + x, y_i = (1/N) sum_j theta(x_i)^T phi(x_j) g(x_j), over the N places of a map.

    That is Wang et al. 2018, Eq 1 and Eq 6, with the dot product of Eq 4. W begins at zero, so that
    the block does nothing at first.

    Args:
        channels: D of the maps; theta, phi and g have one channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv2d(channels, 1, 1) for _ in range(3))
        norm = nn.BatchNorm2d(channels)
        self.W = nn.Sequential(nn.Conv2d(1, channels, 1), norm)
        nn.init.zeros_(norm.weight)
        nn.init.zeros_(norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Maps B x D x h x w to the same shape."""
        theta, phi, g = (part(x).flatten(2) for part in (self.theta, self.phi, self.g))
        N = phi.shape[2]  # noqa: N806 - the paper's name
        f = theta.transpose(1, 2) @ phi / N
        y = torch.matmul(g, f.transpose(1, 2))
        z: Tensor = self.W(y.reshape(len(x), 1, *x.shape[2:])) + x
        return z


def add_non_local(network: Network) -> None:
    """Puts non-local blocks behind the last blocks of layers 2 and 3.

    Raises:
        UserError: the network is no ResNet-50.
    """
    layers = dict(network.trunk.named_children())
    if [len(list(layers.get(name, nn.Sequential()).children())) for name in _LAST] != [4, 6]:
        raise refused(network, "non-local blocks (model.non_local)", "it is no ResNet-50")
    for name, last in _LAST.items():
        layer = layers[name]
        assert isinstance(layer, nn.Sequential)
        for number in range(len(layer) - last, len(layer)):
            block = layer[number]
            convolution = block.conv3
            assert isinstance(convolution, nn.Conv2d)
            block.add_module("non_local", NonLocalBlock(convolution.out_channels))
            block.register_forward_hook(_pass_on)


def _pass_on(block: nn.Module, _arguments: object, maps: Tensor) -> Tensor:
    """Passes a residual block's maps through the non-local block that stands behind it."""
    passed: Tensor = block.non_local(maps)  # type: ignore[operator]
    return passed
