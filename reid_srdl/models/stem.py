"""ResNets and DenseNets whose first, last or passing layers are as in other codes."""

from __future__ import annotations

from torch import nn

from reid_srdl.models.changes.stem import StemKind
from reid_srdl.models.cifar_resnet import BasicBlock
from reid_srdl.models.network import Network
from reid_srdl.models.refusing import refused


def change_stem(network: Network, kind: StemKind) -> None:
    """Changes how a ResNet begins; no weight changes.

    ``ceil``: fast-reid's max pooling, of 3 x 3 pixels without padding. Its maps have the size of
    torchvision's, which pads by 1, and other values.

    Raises:
        UserError: the network does not begin with convolution, norm, ReLU and max pooling.
    """
    parts = dict(network.trunk.named_children())
    relu, pool = parts.get("relu"), parts.get("maxpool")
    if not isinstance(relu, nn.ReLU) or not isinstance(pool, nn.MaxPool2d) or "bn1" not in parts:
        raise refused(network, "another stem (model.stem)", "it is no ResNet of torchvision's kind")
    if kind == "ceil":
        network.trunk.maxpool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    else:
        network.trunk.relu = nn.Identity()


def centre_shortcuts(network: Network) -> None:
    """Lets shortcuts put half of the new channels in front of the old ones.

    Raises:
        UserError: the network is no ResNet for small images.
    """
    blocks = [block for block in network.trunk.modules() if isinstance(block, BasicBlock)]
    if not blocks:
        change = "centred shortcuts (model.shortcut)"
        raise refused(network, change, "it is no ResNet for small images")
    for block in blocks:
        block.channels_before = block.new_channels // 2


def drop_last_relu(network: Network) -> None:
    """Lets a DenseNet's last norm stand without a ReLU behind it.

    Raises:
        UserError: the network does not end in a norm and a ReLU.
    """
    parts = list(network.trunk.named_children())
    if [name for name, _ in parts[-2:]] != ["features", "relu"]:
        change = "no last ReLU (model.last_relu)"
        raise refused(network, change, "it is no DenseNet of torchvision's kind")
    network.trunk.relu = nn.Identity()
