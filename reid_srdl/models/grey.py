"""Networks for grey images, which have one channel."""

from __future__ import annotations

from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.models.empty_pass import REFUSALS, empty_pass
from reid_srdl.models.network import Network
from reid_srdl.models.perceptron import Perceptron

_SIZE = (224, 224)  # where a network has none of its own


def make_grey(network: Network) -> None:
    """Makes the first layer take one channel: its weights are the sum over the three.

    So the network gives for a grey image what it gave for that image in all three channels, with
    random weights and with trained ones.

    Raises:
        UserError: neither a convolution of the network nor a perceptron's first layer reads the
            images, or others read them, too.
    """
    name, size = network.spec.name, network.spec.size or _SIZE
    if isinstance(network.trunk, Perceptron):
        _sum_inputs(network.trunk.hidden1.linear)
        network.channels = 1
        return
    first = next((m for m in network.trunk.modules() if isinstance(m, nn.Conv2d)), None)
    reason = "it does not begin with a convolution of three channels"
    if first is not None and (first.in_channels, first.groups) == (3, 1):
        first.weight = nn.Parameter(first.weight.detach().sum(dim=1, keepdim=True))
        first.in_channels = network.channels = 1
        try:
            empty_pass(network, size, channels=1)
            return
        except REFUSALS as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
    raise UserError(
        f"{name} does not take grey images ({reason})",
        "give it images of three channels, or choose another network, e.g. resnet18",
    )


def _sum_inputs(layer: nn.Linear) -> None:
    """Makes a layer that reads three planes of pixels, one after the other, read one."""
    outputs = layer.out_features
    planes = layer.weight.detach().view(outputs, 3, -1)
    layer.weight = nn.Parameter(planes.sum(dim=1))
    layer.in_features //= 3
