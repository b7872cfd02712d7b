"""The networks by name; a new one is a row here. Nothing in this file imports torch.

Any network of torchvision, timm or torchreid has a name, too, without a row: ``torchvision:NAME``,
``timm:NAME`` or ``torchreid:NAME``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ModelEntry:
    """Where a network comes from.

    Attributes:
        builder: the function that makes it.
        summary: one line for people.
        module: holds the builder; one of ours takes the number of classes and returns a Network.
        trunk: a torchvision network's children, in order, that turn images into the last feature
            maps.
        classifier: a torchvision network's child that holds the final linear layer.
        stages: the modules of the trunk at whose end each stage's maps are taken, from shallow to
            deep; the last part of a path is the stage's name. ResNets: the end of each group of
            blocks of one size; DenseNets: of each dense block, before its transition.
        weights_file: torchvision's file of ImageNet weights, the first version, as in the
            re-id literature; None where there is none.
        widths: the builder takes the first group's channels, too.
        sized: the network is made for one size of images: its builder takes that, too.
        places: the maps of its stages have several places; False: one, so that they say nothing of
            where something is.
    """

    builder: str
    summary: str
    module: str = "torchvision.models"
    trunk: tuple[str, ...] = ()
    classifier: str = ""
    stages: tuple[str, ...] = ()
    weights_file: str | None = None
    widths: bool = False
    sized: bool = False
    places: bool = True


_RESNET = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
_LAYERS = ("layer1", "layer2", "layer3", "layer4")
_GROUPS = ("group1", "group2", "group3")
_HIDDEN = ("hidden1", "hidden2")
_DENSE_BLOCKS = tuple(f"features.denseblock{number}" for number in (1, 2, 3, 4))

MODELS: dict[str, ModelEntry] = {
    "resnet8": ModelEntry(
        "resnet8",
        "ResNet-8 for small images, 64-d features (He et al. 2016, section 4.2)",
        module="reid_srdl.models.cifar_resnet",
        stages=_GROUPS,
        widths=True,
    ),
    "resnet20": ModelEntry(
        "resnet20",
        "ResNet-20 for small images, 64-d features (He et al. 2016, section 4.2)",
        module="reid_srdl.models.cifar_resnet",
        stages=_GROUPS,
        widths=True,
    ),
    "resnet32": ModelEntry(
        "resnet32",
        "ResNet-32 for small images, 64-d features (He et al. 2016, section 4.2)",
        module="reid_srdl.models.cifar_resnet",
        stages=_GROUPS,
        widths=True,
    ),
    "resnet56": ModelEntry(
        "resnet56",
        "ResNet-56 for small images, 64-d features (He et al. 2016, section 4.2)",
        module="reid_srdl.models.cifar_resnet",
        stages=_GROUPS,
        widths=True,
    ),
    "resnet110": ModelEntry(
        "resnet110",
        "ResNet-110 for small images, 64-d features (He et al. 2016, section 4.2)",
        module="reid_srdl.models.cifar_resnet",
        stages=_GROUPS,
        widths=True,
    ),
    "wrn-28-10": ModelEntry(
        "wrn_28_10",
        "WRN-28-10 for small images, 640-d features (Zagoruyko and Komodakis 2016)",
        module="reid_srdl.models.wide_resnet",
        stages=_GROUPS,
    ),
    "densenet-bc-190-40": ModelEntry(
        "densenet_bc_190_40",
        "DenseNet-BC (L=190, k=40) for small images, 2190-d features (Huang et al. 2017)",
        module="reid_srdl.models.densenet_bc",
        stages=("denseblock1", "denseblock2", "denseblock3"),
    ),
    "resnet50": ModelEntry(
        "resnet50",
        "ResNet-50, 2048-d features (He et al. 2016)",
        trunk=_RESNET,
        classifier="fc",
        stages=_LAYERS,
        weights_file="resnet50-0676ba61.pth",
    ),
    "densenet121": ModelEntry(
        "densenet121",
        "DenseNet-121, 1024-d features (Huang et al. 2017)",
        trunk=("features",),
        classifier="classifier",
        stages=_DENSE_BLOCKS,
        weights_file="densenet121-a639ec97.pth",
    ),
    "densenet201": ModelEntry(
        "densenet201",
        "DenseNet-201, 1920-d features (Huang et al. 2017)",
        trunk=("features",),
        classifier="classifier",
        stages=_DENSE_BLOCKS,
        weights_file="densenet201-c1103571.pth",
    ),
    "resnet18": ModelEntry(
        "resnet18",
        "ResNet-18, 512-d features (He et al. 2016)",
        trunk=_RESNET,
        classifier="fc",
        stages=_LAYERS,
        weights_file="resnet18-f37072fd.pth",
    ),
    "mlp-1200": ModelEntry(
        "mlp_1200",
        "two hidden layers of 1200 units, the lecture's teacher on MNIST (Hinton et al. 2015)",
        module="reid_srdl.models.perceptron",
        stages=_HIDDEN,
        sized=True,
        places=False,
    ),
    "mlp-800": ModelEntry(
        "mlp_800",
        "two hidden layers of 800 units, the lecture's student on MNIST (Hinton et al. 2015)",
        module="reid_srdl.models.perceptron",
        stages=_HIDDEN,
        sized=True,
        places=False,
    ),
}

LIBRARIES = ("torchvision", "timm", "torchreid")
ONNX = "onnx"  # an imported ONNX file, see models.graphs.network


def split_name(name: str) -> tuple[str, str] | None:
    """Splits ``library:NAME``; None for a name that is not of this form.

    >>> split_name("timm:vit_tiny_patch16_224")
    ('timm', 'vit_tiny_patch16_224')
    """
    library, colon, rest = name.partition(":")
    return (library, rest) if colon and rest and library in LIBRARIES else None


class NetworkNames:
    """All that ``model.name`` may be: the rows of MODELS and every ``library:NAME``.

    Whether the library knows NAME is found out when the network is built, or by
    ``models.build.check_network``; this needs no library.
    """

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (
            name in MODELS or name == ONNX or split_name(name) is not None
        )

    def __iter__(self) -> Iterator[str]:
        yield from MODELS
        yield from (f"{library}:NAME" for library in LIBRARIES)


NETWORK_NAMES = NetworkNames()
