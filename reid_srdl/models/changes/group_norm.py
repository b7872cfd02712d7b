"""GroupNorm: norms that do not know the batch, with standardised weights. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class GroupNorm:
    """Group norm for batch norm, and standardised convolutions (Kolesnikov et al. 2020, BiT).

    Attributes:
        groups: of channels, at most; 32 in the paper.
    """

    name: ClassVar[str] = "group_norm"
    groups: int = 32

    def __post_init__(self) -> None:
        if type(self.groups) is not int:
            raise TypeError("groups is a whole number")
        if self.groups < 1:
            raise ValueError("groups is above 0")
