"""Branches of a network (Zhang et al. 2019, Be Your Own Teacher): its shallow classifiers."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models.answering import Answering, AveragePooling, Output
from reid_srdl.models.empty_pass import stage_shapes
from reid_srdl.models.initial import he_normal
from reid_srdl.models.network import Network

_SIZE = (224, 224)  # where a network has none of its own


class Branch(Answering):
    """The downsamplings that a stage lacks, average pooling, and a classifier of its own.

    Args:
        channels: of the maps at the branch's stage, then after each bottleneck; the last is the
            length of a feature.
        strides: of each bottleneck.
        classes: C, outputs of the classifier.
    """

    def __init__(self, channels: list[int], strides: list[int], classes: int) -> None:
        super().__init__()
        pairs = list(zip(pairwise(channels), strides, strict=True))
        self.steps = tuple(
            f"bottleneck {before} -> {after}, stride {stride}" for (before, after), stride in pairs
        )
        self.layers = nn.Sequential(*(bottleneck(*pair, stride) for pair, stride in pairs))
        self.end_with(nn.Linear(channels[-1], classes))
        he_normal(self)

    @property
    def told(self) -> tuple[str, ...]:
        """What maps pass, in words."""
        pooling = "average" if isinstance(self.pooling, AveragePooling) else "GeM"
        ends = (self.bottleneck, self.neck, self.dropout, self.classifier)
        layers = [layer for end in ends for layer in end.modules()]
        return (*self.steps, f"{pooling} pooling", *filter(None, map(_told, layers)))

    def forward(self, maps: Tensor) -> Output:
        """Returns logits B x C and features B x D of B x c x h x w maps."""
        return self.answer(self.layers(maps))


def bottleneck(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Returns a 1x1, a strided 3x3 and a 1x1 convolution, each with batch norm and ReLU.

    The two in front have a quarter of the outputs' channels, as in ResNet's bottlenecks.
    """
    middle = max(outputs // 4, 1)
    return nn.Sequential(
        *_normed(nn.Conv2d(inputs, middle, 1, bias=False)),
        *_normed(nn.Conv2d(middle, middle, 3, stride, padding=1, bias=False)),
        *_normed(nn.Conv2d(middle, outputs, 1, bias=False)),
    )


def add_branches(network: Network) -> None:
    """Gives a network a branch after every stage but the last, drawn from the global generator.

    A branch has one bottleneck for each stage that it lacks, with that stage's channels, of stride
    2 where the stage's maps are smaller than those before it. The last one has as many channels as
    the network's pooled features are long, because the two are compared.

    Raises:
        UserError: the network has no stages, or has branches or is cut already.
    """
    name = network.spec.name
    if network.branches or network.cut is not None:
        raise UserError(f"{name}: a network gets branches once, before it is cut", "mend its spec")
    if not network.stages:
        raise UserError(
            f"{name} cannot have branches: it has no stages",
            "choose a network that has them, e.g. resnet18",
        )
    shapes = stage_shapes(network, network.spec.size or _SIZE)
    channels = [shape[0] for shape in shapes.values()]
    channels[-1] = network.pooled_dim
    sizes = [shape[1:] for shape in shapes.values()]
    strides = [1 if before == after else 2 for before, after in pairwise(sizes)]
    for number in range(1, len(channels)):
        branch = Branch(channels[number - 1 :], strides[number - 1 :], network.classes)
        network.branches[f"branch{number}"] = branch


def _normed(convolution: nn.Conv2d) -> tuple[nn.Module, ...]:
    return convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True)


def _told(layer: nn.Module) -> str | None:
    """Names a layer at the end of a branch; None for what holds others or does nothing."""
    if isinstance(layer, nn.Linear):
        return f"linear {layer.in_features} -> {layer.out_features}"
    if isinstance(layer, nn.BatchNorm1d):
        return f"batch norm of {layer.num_features}"
    return f"dropout of {layer.p:g}" if isinstance(layer, nn.Dropout) else None
