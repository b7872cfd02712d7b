"""ResNet for small images (He et al. 2016, Deep Residual Learning, section 4.2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from reid_srdl.models.initial import he_normal
from reid_srdl.models.network import Network


class BasicBlock(nn.Module):
    """y = relu(F(x) + shortcut(x)), F two 3x3 convolutions with batch norm.

    The shortcut has no parameters (option A): where the block strides, every second pixel is read,
    and the new channels are zero.

    Args:
        inputs, outputs: channels.
        stride: of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.new_channels = outputs - inputs
        self.channels_before = 0  # those of the new ones that stand in front of the old

    def forward(self, x: Tensor) -> Tensor:
        """Maps B x inputs x H x W to B x outputs x H/stride x W/stride."""
        y: Tensor = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y = self.relu(y.add_(self._shortcut(x)))
        return y

    def _shortcut(self, x: Tensor) -> Tensor:
        stride = self.conv1.stride[0]
        if stride > 1:
            x = x[:, :, ::stride, ::stride]
        if self.new_channels:
            before = self.channels_before
            x = F.pad(x, (0, 0, 0, 0, before, self.new_channels - before))
        return x


def cifar_resnet(classes: int, depth: int, width: int = 16) -> Network:
    """Returns ResNet-``depth``, depth = 6n + 2: three groups of n blocks, w, 2w, 4w channels.

    For 32x32 images, where the last maps are 8x8; any other size works, the maps grow with it.
    Initialisation: He normal, fan out.

    Args:
        classes: C, outputs of the classifier.
        depth: weighted layers, e.g. 32 or 110.
        width: w, 16 in the paper.
    """
    n, rest = divmod(depth - 2, 6)
    assert rest == 0, "depth is 6n + 2"
    trunk = nn.Sequential()
    trunk.add_module("conv", nn.Conv2d(3, width, 3, padding=1, bias=False))
    trunk.add_module("bn", nn.BatchNorm2d(width))
    trunk.add_module("relu", nn.ReLU(inplace=True))
    inputs = width
    for group, outputs in enumerate((width, 2 * width, 4 * width), start=1):
        blocks = nn.Sequential()
        for block in range(n):
            blocks.append(BasicBlock(inputs, outputs, 2 if group > 1 and block == 0 else 1))
            inputs = outputs
        trunk.add_module(f"group{group}", blocks)
    network = Network(trunk, nn.Linear(inputs, classes))
    he_normal(network)
    return network


def resnet8(classes: int, width: int = 16) -> Network:
    """Returns ResNet-8: 75,290 parameters with 10 classes."""
    return cifar_resnet(classes, 8, width)


def resnet20(classes: int, width: int = 16) -> Network:
    """Returns ResNet-20: 269,722 parameters with 10 classes."""
    return cifar_resnet(classes, 20, width)


def resnet32(classes: int, width: int = 16) -> Network:
    """Returns ResNet-32: 464,154 parameters with 10 classes, 68.87 M multiply-accumulates."""
    return cifar_resnet(classes, 32, width)


def resnet56(classes: int, width: int = 16) -> Network:
    """Returns ResNet-56: 853,018 parameters with 10 classes."""
    return cifar_resnet(classes, 56, width)


def resnet110(classes: int, width: int = 16) -> Network:
    """Returns ResNet-110: 1,727,962 parameters with 10 classes, 252.9 M multiply-accumulates."""
    return cifar_resnet(classes, 110, width)
