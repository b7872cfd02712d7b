"""A network as this project sees it: a trunk that makes features, a classifier on top of them."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import cast

from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models.answering import Answering, Output
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.stages import Taps

__all__ = ["Network", "Output"]

_NOTHING: frozenset[str] = frozenset()


class Network(Answering):
    """A trunk, pooling, and the classifier on the pooled feature (Eq 1: z = W x).

    Args:
        trunk: maps B x 3 x H x W images to B x D x h x w feature maps, which are pooled here, or
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
        self.end_with(classifier)
        self.branches = nn.ModuleDict()
        self.input_size = input_size
        self.channels = 3
        self.cut: str | None = None
        self.taps = Taps(trunk, {})

    def name_stages(self, paths: Mapping[str, str]) -> None:
        """Names the stages: the path of the module in the trunk that ends each, shallow to deep."""
        self.taps = Taps(self.trunk, paths)

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
        own = self.answer(self.tail(maps))
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
