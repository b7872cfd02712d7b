"""Normalised: what is done to pixels before the network sees them. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

Channels = tuple[float, ...]


@dataclass(frozen=True)
class Normalised:
    """The network takes (x - mean) / std, for x in 0..1, whatever suits the data set.

    It changes no layer: who feeds the network reads it from its spec.

    Attributes:
        mean, std: of red, green and blue; or of grey alone.
    """

    name: ClassVar[str] = "normalised"
    mean: Channels
    std: Channels

    def __post_init__(self) -> None:
        for key in ("mean", "std"):
            values = tuple(getattr(self, key))
            if len(values) not in (1, 3) or not all(type(one) is float for one in values):
                raise TypeError(f"{key} is three fractions, or one of grey")
            if not all(map(isfinite, values)):
                raise ValueError(f"{key} is finite")
            object.__setattr__(self, key, values)
        if len(self.mean) != len(self.std):
            raise ValueError("mean and std are of the same channels")
        if min(self.std) <= 0:
            raise ValueError("std is above 0")
