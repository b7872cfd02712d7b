"""LastStride: the last stage keeps the size of its maps. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class LastStride:
    """The last stage does not halve its maps (Sun et al. 2018, Beyond Part Models, section 3.1).

    Attributes:
        stride: of the last stage: 1.
    """

    name: ClassVar[str] = "last_stride"
    stride: int = 1

    def __post_init__(self) -> None:
        if type(self.stride) is not int or self.stride != 1:
            raise ValueError("the last stride is 1, or as it is")
