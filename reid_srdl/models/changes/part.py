"""Part: what remains of a network with branches. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Part:
    """One part of a network with branches, cut free.

    Attributes:
        of: ``branch1``, ``branch2`` and so on: the trunk up to that branch's stage, and the
            branch; or ``trunk``: the network without its branches.
    """

    name: ClassVar[str] = "part"
    of: str

    def __post_init__(self) -> None:
        if not isinstance(self.of, str):
            raise TypeError("a part has a name")
