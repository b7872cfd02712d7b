"""A network divided at the end of a stage: what is learned up to there, and what stands behind."""

from __future__ import annotations

import copy
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

    Raises:
        UserError: the network has no such stage.
    """
    entered = entered_until(network, stage)
    layers = [module for module in network.modules() if not list(module.children())]
    return [m for m in layers if m in entered], [m for m in layers if m not in entered]


def copy_stages(source: Network, into: Network, stages: int) -> Network:
    """Returns ``into`` with the first stages of ``source``, and all that comes before them.

    Args:
        source: whose layers are copied, statistics of batch norm included.
        into: stays as it is; the layers behind are its own.
        stages: how many, from 1.

    Raises:
        UserError: a network has fewer stages, or the layers have other names or shapes.
    """
    if not 1 <= stages <= min(len(source.stages), len(into.stages)):
        raise UserError(
            f"{stages} stages of {source.spec.name}: it has {len(source.stages)}, "
            f"{into.spec.name} {len(into.stages)}",
            "copy as many as both have",
            usage=True,
        )
    entered = entered_until(source, source.stages[stages - 1])
    copied = copy.deepcopy(into)
    targets = dict(copied.named_modules())
    for name, layer in source.named_modules():
        if layer not in entered or list(layer.children()):
            continue
        try:
            targets[name].load_state_dict(layer.state_dict())
        except (KeyError, RuntimeError):
            raise UserError(
                f"{name} of {source.spec.name} does not fit {into.spec.name}",
                "copy between networks of one name",
            ) from None
    return copied
