"""From maps to an answer: pooling, what may stand behind it, and the classifier, in float32."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Output:
    """What a network, or one of its branches, answers for a batch of B images.

    Logits, features and pooled are None where the pass was to end at a stage.

    Attributes:
        logits: B x C, z in the paper's Eq 1, float32.
        features: B x D, the feature layer's output, x in Eq 1, float32; what retrieval ranks.
        pooled: B x D, the features before a neck, float32.
        stages: the maps at the end of each stage, B x c x h x w, in the type that the trunk
            computes in; empty unless asked for.
        branches: what each branch answers; empty unless asked for.
    """

    logits: Tensor
    features: Tensor
    pooled: Tensor
    stages: Mapping[str, Tensor] = field(default_factory=dict)
    branches: Mapping[str, Output] = field(default_factory=dict)


class AveragePooling(nn.Module):
    """Averages B x D x h x w maps over their places; B x D features pass."""

    def forward(self, maps: Tensor) -> Tensor:
        """Returns B x D features."""
        return maps if maps.dim() == 2 else maps.mean(dim=(2, 3))


class Answering(nn.Module):
    """What a network and each of its branches end with.

    Attributes:
        pooling: B x D x h x w maps to B x D.
        bottleneck: B x D pooled features to shorter ones; as a rule it does nothing, like the next
            two.
        neck: stands between what metric losses see and what is ranked and classified.
        dropout: stands before the classifier alone.
        classifier: B x D features to B x C logits.
    """

    pooling: nn.Module
    bottleneck: nn.Module
    neck: nn.Module
    dropout: nn.Module
    classifier: nn.Linear

    def end_with(self, classifier: nn.Linear) -> None:
        """Ends with average pooling and this classifier, and nothing between them."""
        self.pooling = AveragePooling()
        self.bottleneck, self.neck, self.dropout = nn.Identity(), nn.Identity(), nn.Identity()
        self.classifier = classifier

    def end_as(self, other: Answering) -> None:
        """Ends as another one does, with the same modules."""
        self.pooling, self.bottleneck = other.pooling, other.bottleneck
        self.neck, self.dropout, self.classifier = other.neck, other.dropout, other.classifier

    @property
    def classes(self) -> int:
        """C, the number of identities or classes that the classifier knows."""
        return self.classifier.out_features

    @property
    def feature_dim(self) -> int:
        """D, the length of a feature."""
        return self.classifier.in_features

    @property
    def pooled_dim(self) -> int:
        """The length of what the pooling gives."""
        first = next(self.bottleneck.children(), None)
        return first.in_features if isinstance(first, nn.Linear) else self.feature_dim

    def answer(self, maps: Tensor) -> Output:
        """Pools B x D x h x w maps, if not B x D yet, and classifies, in float32 or better."""
        # Under bf16 autocast only the trunk is worth it: rounded features would tie in retrieval.
        with without_autocast(maps.device.type):
            pooled = self.bottleneck(
                self.pooling(maps.to(torch.promote_types(maps.dtype, torch.float32)))
            )
            features = self.neck(pooled)
            logits = self.classifier(self.dropout(features))
        return Output(logits, features, pooled)


def without_autocast(device_type: str) -> contextlib.AbstractContextManager[object]:
    """Returns a context in which operations keep their arguments' precision."""
    if device_type == "meta":  # where work is counted; asking torch would break a compiled graph
        return contextlib.nullcontext()
    return torch.autocast(device_type, enabled=False)
