"""What each change of a network does to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reid_srdl.models.branch import add_branches
from reid_srdl.models.changes import Branches, Change, Part
from reid_srdl.models.network import Network
from reid_srdl.models.part import cut_down

_DOES: dict[type[Change], Callable[[Network, Any], None]] = {
    Branches: lambda network, _: add_branches(network),
    Part: lambda network, change: cut_down(network, change.of),
}


def apply(change: Change, network: Network) -> None:
    """Changes a network, drawing new weights from the global generator.

    Raises:
        UserError: this network cannot be changed so.
    """
    _DOES[type(change)](network, change)
