"""A network divided at the end of a stage: what is learned up to there, and what stands behind."""

from __future__ import annotations

import copy
from itertools import chain
from typing import TYPE_CHECKING

from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.models.empty_pass import empty_pass

if TYPE_CHECKING:
    from reid_srdl.models.network import Network

_SIZE = (224, 224)  # where a network has none of its own


def entered_until(network: Network, stage: str) -> set[nn.Module]:
    """Returns the modules that a pass up to the end of a stage enters."""
    entered: set[nn.Module] = set()

    def enter(module: nn.Module, _arguments: object) -> None:
        entered.add(module)

    hooks = [module.register_forward_pre_hook(enter) for module in network.modules()]
    try:
        empty_pass(network, network.spec.size or _SIZE, network.channels, until=stage)
    finally:
        for hook in hooks:
            hook.remove()
    return entered


def divided(network: Network, stage: str) -> tuple[list[nn.Module], list[nn.Module]]:
    """Returns the layers up to the end of a stage, and those behind it.

    A block that has weights of its own beside its layers' (ConvNeXt's scales) is one of them, too.

    Raises:
        UserError: the network has no such stage.
    """
    entered = entered_until(network, stage)
    before: list[nn.Module] = []
    behind: list[nn.Module] = []
    for module in network.modules():
        parts = list(module.modules())
        if len(parts) > 1 and not _own_tensors(module):
            continue
        inside = [part in entered for part in parts if len(parts) == 1 or _own_tensors(part)]
        if all(inside):
            before.append(module)
        elif not any(inside):
            behind.append(module)
    return before, behind


def _own_tensors(module: nn.Module) -> bool:
    own = chain(module.parameters(recurse=False), module.buffers(recurse=False))
    return next(own, None) is not None


def copy_stages(source: Network, into: Network, stages: int) -> Network:
    """Returns ``into`` with the first stages of ``source``, and all that comes before them.

    Args:
        source: whose layers are copied, statistics of batch norm included.
        into: stays as it is; the layers behind are its own.
        stages: how many, from 1.

    Raises:
        UserError: a network has fewer stages, or the layers have other names or shapes.
    """
    if source.channels != into.channels:
        raise UserError(
            f"{source.spec.name} takes images of {source.channels} channels, {into.spec.name} of "
            f"{into.channels}",
            "copy from a network for the same kind of images",
            usage=True,
        )
    if not 1 <= stages <= min(len(source.stages), len(into.stages)):
        raise UserError(
            f"{stages} stages of {source.spec.name}: it has {len(source.stages)}, "
            f"{into.spec.name} {len(into.stages)}",
            "copy as many as both have",
            usage=True,
        )
    before, _ = divided(source, source.stages[stages - 1])
    taken = set(before)
    copied = copy.deepcopy(into)
    targets = dict(copied.named_modules())
    for name, layer in source.named_modules():
        if layer not in taken:
            continue
        try:
            targets[name].load_state_dict(layer.state_dict())
        except (KeyError, RuntimeError):
            raise UserError(
                f"{stages} stages of {source.spec.name} do not fit {into.spec.name}: {name} is of "
                "another kind or shape",
                "copy between networks of one name and the same changes",
                usage=True,
            ) from None
    return copied
