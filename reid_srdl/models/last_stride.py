"""The last stage without its stride: maps of twice the height and width."""

from __future__ import annotations

from torch import nn

from reid_srdl.models.dividing import entered_until
from reid_srdl.models.empty_pass import REFUSALS, empty_pass, stage_shapes
from reid_srdl.models.network import Network
from reid_srdl.models.refusing import SIZE, refused, size_of

_CHANGE = "a last stride of 1 (model.last_stride)"


def drop_last_stride(network: Network) -> None:
    """Makes the last stage keep the size of the maps that it takes; no weight changes.

    Strided convolutions between the last stage but one and the last become unstrided, and poolings
    of windows that do not overlap, as between a DenseNet's blocks, fall away.

    Raises:
        UserError: the network has fewer than two stages, its last one keeps the size already, or
            halves it by something else.
    """
    if len(network.stages) < 2:
        raise refused(network, _CHANGE, "it has no stages")
    before = _shapes(network)
    if not before:
        raise refused(network, _CHANGE, "it takes images of one size alone")
    *_, last_but_one, last = network.stages
    wanted = before | {last: (before[last][0], *before[last_but_one][1:])}
    if wanted == before:
        raise refused(network, _CHANGE, "its last stage keeps the size of its maps already")
    for module in entered_until(network, last) - entered_until(network, last_but_one):
        _unstride(module)
    if _shapes(network) != wanted:
        raise refused(network, _CHANGE, "its last stage is not halved by a stride alone")


def _unstride(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        module.stride = (1, 1)
    elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        if module.kernel_size == module.stride:
            module.kernel_size = 1
        module.stride = 1


def _shapes(network: Network) -> dict[str, tuple[int, int, int]]:
    """Returns the shapes of the stages' maps; none where the network no longer works."""
    try:
        empty_pass(network, size_of(network), network.channels)
        return stage_shapes(network, SIZE)
    except REFUSALS:
        return {}
