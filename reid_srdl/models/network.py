"""A network as this project sees it: a trunk that makes features, a classifier on top of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Output:
    """What a network answers for a batch of B images.

    Attributes:
        logits: B x C, z in the paper's Eq 1, float32.
        features: B x D, the feature layer's output, x in Eq 1, float32.
    """

    logits: Tensor
    features: Tensor


class Network(nn.Module):
    """A trunk, average pooling, and the classifier on the pooled feature (Eq 1: z = W x).

    Args:
        trunk: maps B x 3 x H x W images to B x D x h x w feature maps, which are averaged here, or
            to B x D features that it pooled itself.
        classifier: maps B x D features to B x C logits.
        input_size: (H, W) in pixels that the trunk was built for; None where it takes any.
    """

    def __init__(
        self,
        trunk: nn.Module,
        classifier: nn.Linear,
        input_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.classifier = classifier
        self.input_size = input_size

    @property
    def classes(self) -> int:
        """C, the number of identities or classes that the classifier knows."""
        return self.classifier.out_features

    @property
    def feature_dim(self) -> int:
        """D, the length of a feature."""
        return self.classifier.in_features

    def forward(self, images: Tensor) -> Output:
        """Returns logits and features of B x 3 x H x W normalised images."""
        features = self.trunk(images)
        # Under bf16 autocast only the trunk is worth it: rounded features would tie in retrieval.
        with without_autocast(images.device.type):
            features = features.float()
            if features.dim() == 4:
                features = features.mean(dim=(2, 3))
            logits = self.classifier(features)
        return Output(logits, features)


def without_autocast(device_type: str) -> contextlib.AbstractContextManager[object]:
    """Returns a context in which operations keep their arguments' precision."""
    if not torch.amp.is_autocast_available(device_type):  # e.g. meta, where costs are counted
        return contextlib.nullcontext()
    return torch.autocast(device_type, enabled=False)
