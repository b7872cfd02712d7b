"""The networks by name; a new one is a row here. Nothing in this file imports torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelEntry:
    """How to get a network from its library.

    Attributes:
        builder: the constructor's name in ``torchvision.models``.
        trunk: its children, in order, that turn images into the last feature maps.
        classifier: its child that holds the final linear layer.
        weights_file: torchvision's file of ImageNet weights, the first version, as in the
            re-id literature.
        summary: one line for people.
    """

    builder: str
    trunk: tuple[str, ...]
    classifier: str
    weights_file: str
    summary: str


_RESNET = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")

MODELS: dict[str, ModelEntry] = {
    "resnet50": ModelEntry(
        "resnet50",
        _RESNET,
        "fc",
        "resnet50-0676ba61.pth",
        "ResNet-50, 2048-d features (He et al. 2016)",
    ),
    "densenet121": ModelEntry(
        "densenet121",
        ("features",),
        "classifier",
        "densenet121-a639ec97.pth",
        "DenseNet-121, 1024-d features (Huang et al. 2017)",
    ),
    "resnet18": ModelEntry(
        "resnet18",
        _RESNET,
        "fc",
        "resnet18-f37072fd.pth",
        "ResNet-18, 512-d features (He et al. 2016)",
    ),
}
