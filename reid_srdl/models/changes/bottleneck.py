"""Bottleneck: short features. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Bottleneck:
    """A linear layer with batch norm behind the pooling makes the features (layumi's ClassBlock).

    Attributes:
        width: the length of a feature.
    """

    name: ClassVar[str] = "bottleneck"
    width: int = 512

    def __post_init__(self) -> None:
        if type(self.width) is not int:
            raise TypeError("width is a whole number")
        if self.width < 1:
            raise ValueError("width is above 0")
