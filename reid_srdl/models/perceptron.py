"""Perceptrons of two hidden layers, as the lecture distils them (Hinton et al. 2015, section 3)."""

from __future__ import annotations

from torch import Tensor, nn

from reid_srdl.models.changes import InputDropout
from reid_srdl.models.network import Network
from reid_srdl.models.refusing import refused

SIZE = (28, 28)  # MNIST's, where a network has none of its own
_CHANNELS = 3


class Hidden(nn.Module):
    """y = relu(W x + b).

    Args:
        inputs, outputs: lengths.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.relu = nn.ReLU(inplace=True)
        nn.init.kaiming_normal_(self.linear.weight, nonlinearity="relu")
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Maps B x c x h x w, c h w = inputs, to B x outputs x 1 x 1: maps of one place."""
        y: Tensor = self.relu(self.linear(x.flatten(1)))
        return y[:, :, None, None]


class Perceptron(nn.Module):
    """Two hidden layers; their features are the second one's.

    Args:
        inputs: channels times pixels of an image.
        units: of each hidden layer.

    Attributes:
        inputs, between: dropout in front of each hidden layer; as a rule they do nothing.
    """

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.inputs: nn.Module = nn.Identity()
        self.hidden1 = Hidden(inputs, units)
        self.between: nn.Module = nn.Identity()
        self.hidden2 = Hidden(units, units)

    def forward(self, images: Tensor) -> Tensor:
        """Maps B x channels x H x W images to B x units x 1 x 1."""
        # Step by step: in a part that ends at the first layer there is no second one to look up.
        first: Tensor = self.hidden1(self.inputs(images))
        second: Tensor = self.hidden2(self.between(first))
        return second


def mlp(classes: int, units: int, size: tuple[int, int] | None) -> Network:
    """Returns a perceptron of two hidden layers for images of three channels.

    Initialisation: hidden layers as He et al. 2015, Eq 10 (fan in), biases zero. A grey image's
    first layer is the sum of three (see `models.grey`), which has the same deviation,
    sqrt(2 / pixels).

    Args:
        classes: C, outputs of the classifier.
        units: of each hidden layer.
        size: (height, width) of the images in pixels; None: 28 x 28.
    """
    height, width = size or SIZE
    classifier = nn.Linear(units, classes)
    nn.init.zeros_(classifier.bias)
    trunk = Perceptron(_CHANNELS * height * width, units)
    return Network(trunk, classifier, input_size=(height, width))


def mlp_1200(classes: int, size: tuple[int, int] | None = None) -> Network:
    """Returns the lecture's teacher: 2,395,210 parameters for MNIST's grey images, 10 classes."""
    return mlp(classes, 1200, size)


def mlp_800(classes: int, size: tuple[int, int] | None = None) -> Network:
    """Returns the lecture's student: 1,276,810 parameters for MNIST's grey images, 10 classes."""
    return mlp(classes, 800, size)


def drop_hidden(network: Network, p: float) -> None:
    """Zeroes a share ``p`` of what a perceptron's second hidden layer sees, in training.

    What the classifier sees is dropped by `models.ends`, as of every network.
    """
    if isinstance(network.trunk, Perceptron):
        network.trunk.between = nn.Dropout(p)


def drop_inputs(network: Network, p: float) -> None:
    """Zeroes a share ``p`` of an image's values, in training.

    NOTE: images are normalised, so that a dropped pixel takes the data set's mean, not black.

    Raises:
        UserError: the network is no perceptron.
    """
    if not isinstance(network.trunk, Perceptron):
        reason = "perceptrons alone have it, e.g. mlp-800"
        raise refused(network, f"{InputDropout.name} (model.input_dropout)", reason)
    network.trunk.inputs = nn.Dropout(p)
