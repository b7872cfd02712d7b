"""NormNeck: batch norm with a shift between what is pooled and what is ranked. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class NormNeck:
    """BNNeck's place, but for a batch norm that shifts, too.

    Attributes:
        bias: whether the classifier behind it has a bias.
    """

    name: ClassVar[str] = "norm_neck"
    bias: bool = False

    def __post_init__(self) -> None:
        if type(self.bias) is not bool:
            raise TypeError("bias is true or false")
