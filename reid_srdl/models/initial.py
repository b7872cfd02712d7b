"""Published initialisations that several networks share."""

from __future__ import annotations

from torch import nn


def he_normal(network: nn.Module) -> None:
    """Draws a network's weights as He et al. 2015 (Delving Deep into Rectifiers, Eq 14) do.

    Convolutions are normal with deviation sqrt(2 / fan out), as in the Torch code that the authors
    of ResNet, WRN and DenseNet published; batch norms begin as the identity; linear layers keep
    PyTorch's uniform weights, with biases of zero.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
