"""Parts of a network with branches: its trunk, or the trunk up to a branch and that branch."""

from __future__ import annotations

import copy

from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.models.branch import Branch
from reid_srdl.models.dividing import entered_until
from reid_srdl.models.network import Network


def part(network: Network, name: str) -> Network:
    """Returns a part of a network with branches as a network of its own, with copied weights.

    Args:
        network: stays as it is.
        name: ``trunk``, or a branch's name.

    Raises:
        UserError: the network has no such part.
    """
    alone = copy.deepcopy(network)
    cut_down(alone, name)
    alone.spec = network.spec.part(name)
    return alone


def cut_down(network: Network, name: str) -> None:
    """Removes from a network what its part ``name`` does not need.

    The weights that stay in the trunk keep their keys; the branch's layers become the ``tail``, its
    end, from pooling to classifier, the network's.

    Raises:
        UserError: the network has no such part.
    """
    if not network.branches or (name != "trunk" and name not in network.branches):
        known = ", ".join(("trunk", *network.branches)) if network.branches else "none"
        raise UserError(
            f"{network.spec.name} has no part {name!r} (its parts: {known})",
            "name a part of a network that has branches",
        )
    if name != "trunk":
        branch, stage = network.branches[name], network.roots[name]
        assert isinstance(branch, Branch)
        _drop_what_follows(network, stage)
        network.tail = branch.layers
        network.end_as(branch)
        network.taps.end_at(stage)
        network.cut = stage
    network.branches = nn.ModuleDict()


def _drop_what_follows(network: Network, stage: str) -> None:
    """Removes the modules behind a stage: those that a pass up to it does not enter."""
    entered = entered_until(network, stage)
    parent = network.trunk
    for step in network.taps.paths[stage].split("."):
        children = list(parent.named_children())
        behind = children[[name for name, _ in children].index(step) + 1 :]
        for name, child in behind:
            if entered.isdisjoint(child.modules()):
                delattr(parent, name)
        parent = parent.get_submodule(step)
