"""GeM: generalised-mean pooling. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar


@dataclass(frozen=True)
class GeM:
    """Pools maps by (mean x^p)^(1/p), p learned (Radenovic et al. 2019, section 3.2, Eq 3).

    Attributes:
        p: where it begins, above 0; 1 is the average, infinity the maximum.
    """

    name: ClassVar[str] = "gem"
    p: float = 3.0

    def __post_init__(self) -> None:
        if isinstance(self.p, bool) or not isinstance(self.p, int | float):
            raise TypeError("p is a number")
        if not isfinite(self.p) or self.p <= 0:
            raise ValueError("p is finite and above 0")
        object.__setattr__(self, "p", float(self.p))
