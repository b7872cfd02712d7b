"""IBN: instance norm for some channels of early layers. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class IBN:
    """Instance norm beside batch norm in all stages but the last (Pan et al. 2018, Two at Once).

    Attributes:
        kind: ``a``: in the first norm of each block, IBN-a in the paper.
    """

    name: ClassVar[str] = "ibn"
    kind: str = "a"

    def __post_init__(self) -> None:
        if self.kind != "a":
            raise ValueError("of IBN there is kind a")
