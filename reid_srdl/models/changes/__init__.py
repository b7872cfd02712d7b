"""What can be done to a network, by name. Imports no torch.

A new change is a file and a row here, and a row in `models.applying` for what it does.
"""

from __future__ import annotations

from dataclasses import Field
from typing import Any, ClassVar, Protocol

from reid_srdl.models.changes.branches import Branches
from reid_srdl.models.changes.part import Part

__all__ = ["CHANGES", "Branches", "Change", "Part"]


class Change(Protocol):
    """A small frozen dataclass, hashable, whose fields are plain values.

    Attributes:
        name: its name in CHANGES and in files.
    """

    name: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


CHANGES: dict[str, type[Change]] = {"branches": Branches, "part": Part}
