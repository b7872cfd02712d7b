"""Stem: how a ResNet begins where it is not torchvision's. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

StemKind = Literal["ceil", "no-relu"]


@dataclass(frozen=True)
class Stem:
    """A ResNet's first layers as other codes have them.

    Attributes:
        kind: ``ceil``: the max pooling rounds its size up and pads nothing (fast-reid);
            ``no-relu``: no ReLU behind the first norm (reid-strong-baseline).
    """

    name: ClassVar[str] = "stem"
    kind: StemKind

    def __post_init__(self) -> None:
        if self.kind not in get_args(StemKind):
            raise ValueError("of stems there are ceil and no-relu")
