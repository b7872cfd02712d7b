"""What is told where a network cannot be changed so."""

from __future__ import annotations

from reid_srdl.errors import UserError
from reid_srdl.models.network import Network

SIZE = (224, 224)  # where a network has none of its own


def refused(network: Network, change: str, reason: str) -> UserError:
    """Returns the error of a network that cannot have a change, for a reason."""
    return UserError(
        f"{network.spec.name} cannot have {change}: {reason}",
        "choose a network that can, e.g. resnet18, or leave it out",
        usage=True,
    )


def size_of(network: Network) -> tuple[int, int]:
    """Returns (height, width) in pixels of an image that a network takes."""
    return network.spec.size or SIZE
