"""DenseNet-BC for small images (Huang et al. 2017, Densely Connected Convolutional Networks)."""

from __future__ import annotations

from torch import nn
from torchvision.models import DenseNet

from reid_srdl.models.initial import he_normal
from reid_srdl.models.network import Network


def densenet_bc(classes: int, depth: int, growth: int) -> Network:
    """Returns DenseNet-BC (L = ``depth``, k = ``growth``): three dense blocks, compression 0.5.

    The blocks are torchvision's; as published for small images (section 3), the stem is one 3x3
    convolution to 2k channels at full resolution. Initialisation: He normal, fan out.

    Args:
        classes: C, outputs of the classifier.
        depth: L = 6n + 4: n layers of a 1x1 and a 3x3 convolution in each block.
        growth: k, channels that a layer adds.
    """
    n, rest = divmod(depth - 4, 6)
    assert rest == 0, "depth is 6n + 4"
    stem = 2 * growth
    library = DenseNet(growth, (n, n, n), num_init_features=stem, num_classes=classes)
    trunk = library.features
    trunk.conv0 = nn.Conv2d(3, stem, 3, padding=1, bias=False)
    for part in ("norm0", "relu0", "pool0"):
        delattr(trunk, part)
    trunk.add_module("relu", nn.ReLU(inplace=True))
    network = Network(trunk, library.classifier)
    he_normal(network)
    return network


def densenet_bc_190_40(classes: int) -> Network:
    """Returns L=190, k=40: 25,624,430 parameters with 10 classes, 9.302 G multiply-accumulates."""
    return densenet_bc(classes, 190, 40)
