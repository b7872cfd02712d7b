"""Dropout of pixels. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class InputDropout:
    """A perceptron sees images of which some values are zeroed in training.

    Attributes:
        p: the share that is zeroed, above 0 and below 1.
    """

    name: ClassVar[str] = "input_dropout"
    p: float = 0.2

    def __post_init__(self) -> None:
        if not isinstance(self.p, float):
            raise TypeError("p is a fraction")
        if not 0 < self.p < 1:
            raise ValueError("p is above 0 and below 1")
