"""Passes of an empty image on the meta device: shapes without computing, weights untouched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from reid_srdl.models.network import Network

# What networks raise for images that they do not take.
REFUSALS = (RuntimeError, AssertionError, ValueError, TypeError, IndexError)


def empty_pass(
    module: nn.Module, size: tuple[int, int], channels: int = 3, **arguments: Any
) -> Any:
    """Returns what a module gives for one image of (height, width) pixels; only shapes are real.

    The pass runs in evaluation mode on the meta device; modes and weights stay as they were, and
    nothing is drawn.

    Raises:
        REFUSALS: the module does not take such an image.
    """
    tensors = chain(module.named_parameters(), module.named_buffers())
    shapes = {name: tensor.detach().to("meta") for name, tensor in tensors}
    kind = next((shape.dtype for shape in shapes.values() if shape.is_floating_point()), None)
    image = torch.empty(1, channels, *size, dtype=kind, device="meta")
    with evaluating(module), torch.no_grad():
        return functional_call(module, shapes, (image,), arguments)


def stage_shapes(network: Network, size: tuple[int, int]) -> dict[str, tuple[int, int, int]]:
    """Returns channels, height and width of the maps at the end of each stage.

    Args:
        network: stays as it is.
        size: (height, width) of an image in pixels.

    Raises:
        UserError: the network has no stages.
    """
    last = network.stages[-1] if network.stages else None
    output = empty_pass(network, size, network.channels, needs={"stages"}, until=last)
    return {stage: tuple(maps.shape[1:]) for stage, maps in output.stages.items()}


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Puts a module into evaluation mode, and every part of it back into its own afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
