"""Loads tensors into a network, each into its place; what has none is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.models.network import Network

COUNTER = "num_batches_tracked"  # serves training alone; older files lack it
_NAMED = 3


def load(network: Network, given: Mapping[str, Tensor], path: Path, *, ends: bool = True) -> None:
    """Loads tensors by the network's own keys.

    Args:
        network: gets them.
        given: the tensors.
        path: the file, for messages.
        ends: they must be all but the classifier's; else the trunk's.

    Raises:
        UserError: they are not the network's; the first three of what does not fit are named.
    """
    own = network.state_dict()
    name = network.spec.name
    hint = f"name the network that it is, or give a file of {name}"
    fitting = [key for key in given if key in own and own[key].shape == given[key].shape]
    if not any(key.startswith("trunk.") for key in fitting):
        if any(key.startswith("trunk.trunk.") for key in given):  # our own names
            hint = "a network of a run is named by its run, as in reid-srdl eval runs/NAME"
        raise UserError(f"{path}: none of its tensors is of {name}: {some(list(given))}", hint)
    strange = [key for key in given if key not in own]
    if strange:
        raise UserError(f"{path}: {name} has no place for {some(strange)}", hint)
    if unlike := [key for key in given if own[key].shape != given[key].shape]:
        first = unlike[0]
        shapes = f"{tuple(given[first].shape)} and not {tuple(own[first].shape)}"
        raise UserError(
            f"{path}: not the shapes of {name}: {some(unlike)} (the first {shapes})", hint
        )
    check_kinds(given, own, path, name)
    needed = [
        key
        for key in own
        if key not in given
        and not key.endswith(COUNTER)
        and key.startswith("trunk.") | (ends and not key.startswith("classifier."))
    ]
    if needed:
        raise UserError(f"{path}: lacks {some(needed)} of {name}", hint)
    with torch.no_grad():
        for key, value in given.items():
            own[key].copy_(value)  # from float16, too


def check_kinds(
    given: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path, name: str
) -> None:
    """Refuses whole numbers where a network has fractions, as quantised files hold them.

    Args:
        given, own: tensors by the same keys; those that ``own`` lacks are not looked at.
        path, name: the file and the network, for messages.

    Raises:
        UserError: some are; the first three are named.
    """
    wrong = [
        key
        for key, value in given.items()
        if key in own and own[key].is_floating_point() and not value.is_floating_point()
    ]
    if wrong:
        kind = str(given[wrong[0]].dtype).removeprefix("torch.")
        raise UserError(
            f"{path}: holds {kind} where {name} has fractions: {some(wrong)}",
            "give the weights as they were before they were quantised",
        )


def some(keys: list[str]) -> str:
    """Returns the first three of some keys, and how many more there are."""
    more = f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else ""
    return ", ".join(key.removeprefix("trunk.") for key in keys[:_NAMED]) + more
