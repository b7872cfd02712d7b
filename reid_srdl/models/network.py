"""A network as this project sees it: a trunk that makes features, a classifier on top of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.stages import Taps

_NOTHING: frozenset[str] = frozenset()


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


class Network(nn.Module):
    """A trunk, average pooling, and the classifier on the pooled feature (Eq 1: z = W x).

    Args:
        trunk: maps B x 3 x H x W images to B x D x h x w feature maps, which are averaged here, or
            to B x D features that it pooled itself.
        classifier: maps B x D features to B x C logits.
        input_size: (H, W) in pixels that the trunk was built for; None where it takes any.

    Attributes:
        spec: what ``build`` made the network from; a network made by hand has none.
        channels: of an image.
        branches: a `models.branch.Branch` by name, one after each stage but the last; may be empty.
        cut: the stage at which the trunk ends, where it is cut; None: it is whole.
        tail: what follows a cut trunk in place of the rest.
    """

    spec: NetworkSpec

    def __init__(
        self,
        trunk: nn.Module,
        classifier: nn.Linear,
        input_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.tail: nn.Module = nn.Identity()
        self.classifier = classifier
        self.branches = nn.ModuleDict()
        self.input_size = input_size
        self.channels = 3
        self.cut: str | None = None
        self.taps = Taps(trunk, {})

    def name_stages(self, paths: Mapping[str, str]) -> None:
        """Names the stages: the path of the module in the trunk that ends each, shallow to deep."""
        self.taps = Taps(self.trunk, paths)

    @property
    def classes(self) -> int:
        """C, the number of identities or classes that the classifier knows."""
        return self.classifier.out_features

    @property
    def feature_dim(self) -> int:
        """D, the length of a feature."""
        return self.classifier.in_features

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages, from shallow to deep; empty where the network has none."""
        return tuple(self.taps.paths)

    def forward(
        self, images: Tensor, needs: Set[str] = _NOTHING, until: str | None = None
    ) -> Output:
        """Returns what the network answers for B x 3 x H x W normalised images.

        Args:
            images: B x channels x H x W.
            needs: what is wanted besides, of ``stages`` and ``branches``.
            until: the stage that is computed last. The output then holds its maps (those before it
                only if needed), the branches that begin up to there, if needed, and nothing else.

        Raises:
            UserError: the network has no such stage, no stages or no branches.
        """
        self._check(needs, until)
        shown = self.stages if "stages" in needs else (until,) if until else ()
        roots = self.roots if "branches" in needs else {}
        wanted = {*shown, *roots.values()}
        maps, kept = self.taps.run(self.trunk, images, wanted, until or self.cut)
        stages = {stage: kept[stage] for stage in kept if stage in shown}
        branches = {
            name: branch(kept[roots[name]])
            for name, branch in self.branches.items()
            if name in roots and roots[name] in kept
        }
        if until:
            nothing = cast(Tensor, None)  # the one case; every other reader may rely on tensors
            return Output(nothing, nothing, nothing, stages, branches)
        own = answer(self.tail(maps), self.classifier)
        return Output(own.logits, own.features, own.pooled, stages, branches)

    @property
    def roots(self) -> dict[str, str]:
        """The stage at whose end each branch begins."""
        return dict(zip(self.branches, self.stages, strict=False))

    def _check(self, needs: Set[str], until: str | None) -> None:
        hint = "choose a network that has them, e.g. resnet18"
        if (until or "stages" in needs) and not self.stages:
            raise UserError(f"{self._name} has no stages that can be asked for", hint)
        if until and until not in self.stages:
            known = ", ".join(self.stages)
            raise UserError(f"{self._name} has no stage {until!r}", f"choose from: {known}")
        if "branches" in needs and not self.branches:
            raise UserError(f"{self._name} has no branches", "make it with Branches()")

    @property
    def _name(self) -> str:
        return self.spec.name if hasattr(self, "spec") else "the network"


def answer(maps: Tensor, classifier: nn.Module) -> Output:
    """Averages B x D x h x w maps, if they are not B x D yet, and classifies, in float32."""
    # Under bf16 autocast only the trunk is worth it: rounded features would tie in retrieval.
    with without_autocast(maps.device.type):
        features = maps.float()
        if features.dim() == 4:
            features = features.mean(dim=(2, 3))
        logits = classifier(features)
    return Output(logits, features, features)


def without_autocast(device_type: str) -> contextlib.AbstractContextManager[object]:
    """Returns a context in which operations keep their arguments' precision."""
    if not torch.amp.is_autocast_available(device_type):  # e.g. meta, where costs are counted
        return contextlib.nullcontext()
    return torch.autocast(device_type, enabled=False)
