"""A network as this project sees it: a trunk that makes features, a classifier on top of them."""

from __future__ import annotations

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
    """A trunk, average pooling, and the identity classifier on the pooled feature (Eq 1: z = W x).

    Args:
        trunk: maps B x 3 x H x W images to B x D x h x w feature maps.
        classifier: maps B x D features to B x C logits.
    """

    def __init__(self, trunk: nn.Module, classifier: nn.Linear) -> None:
        super().__init__()
        self.trunk = trunk
        self.classifier = classifier

    @property
    def classes(self) -> int:
        """C, the number of identities that the classifier knows."""
        return self.classifier.out_features

    @property
    def feature_dim(self) -> int:
        """D, the length of a feature."""
        return self.classifier.in_features

    def forward(self, images: Tensor) -> Output:
        """Returns logits and features of B x 3 x H x W normalised images."""
        maps = self.trunk(images)
        # Under bf16 autocast only the trunk is worth it: rounded features would tie in retrieval.
        with torch.autocast(images.device.type, enabled=False):
            features = maps.float().mean(dim=(2, 3))
            logits = self.classifier(features)
        return Output(logits, features)
