"""Wide residual networks (Zagoruyko and Komodakis 2016)."""

from __future__ import annotations

from torch import Tensor, nn

from reid_srdl.models.initial import he_normal
from reid_srdl.models.network import Network


class WideBlock(nn.Module):
    """Batch norm and ReLU before each of two 3x3 convolutions, B(3,3) in the paper's terms.

    Where the shape changes, a 1x1 convolution of the activated input is the shortcut.

    Args:
        inputs, outputs: channels.
        stride: of the first convolution and of the shortcut.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = (
            None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps B x inputs x H x W to B x outputs x H/stride x W/stride."""
        activated = self.relu(self.bn1(x))
        y: Tensor = self.conv2(self.relu(self.bn2(self.conv1(activated))))
        return y.add_(x if self.shortcut is None else self.shortcut(activated))


def wide_resnet(classes: int, depth: int, width: int) -> Network:
    """Returns WRN-``depth``-``width``, depth = 6n + 4: three groups of n blocks, no dropout.

    Initialisation: He normal, fan out.

    Args:
        classes: C, outputs of the classifier.
        depth: convolutions, the three shortcuts counted, e.g. 28.
        width: k, times 16, 32 and 64 channels.
    """
    n, rest = divmod(depth - 4, 6)
    assert rest == 0, "depth is 6n + 4"
    trunk = nn.Sequential()
    trunk.add_module("conv", nn.Conv2d(3, 16, 3, padding=1, bias=False))
    inputs = 16
    for group, channels in enumerate((16, 32, 64), start=1):
        blocks = nn.Sequential()
        for block in range(n):
            stride = 2 if group > 1 and block == 0 else 1
            blocks.append(WideBlock(inputs, channels * width, stride))
            inputs = channels * width
        trunk.add_module(f"group{group}", blocks)
    trunk.add_module("bn", nn.BatchNorm2d(inputs))
    trunk.add_module("relu", nn.ReLU(inplace=True))
    network = Network(trunk, nn.Linear(inputs, classes))
    he_normal(network)
    return network


def wrn_28_10(classes: int) -> Network:
    """Returns WRN-28-10: 36,479,194 parameters with 10 classes, 5.243 G multiply-accumulates."""
    return wide_resnet(classes, 28, 10)
