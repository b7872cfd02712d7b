"""ResNets that begin as other codes' do."""

from __future__ import annotations

from torch import nn

from reid_srdl.models.changes.stem import StemKind
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
