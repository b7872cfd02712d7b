"""NonLocal: attention over all places of a ResNet's middle maps. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class NonLocal:
    """Non-local blocks in layers 2 and 3 of a ResNet-50, as AGW and SBS have them.

    They stand behind the last two blocks of layer 2 and the last three of layer 3, with one inner
    channel each (Wang et al. 2018, Non-local Neural Networks; Ye et al. 2021, AGW, section 4).
    """

    name: ClassVar[str] = "non_local"
