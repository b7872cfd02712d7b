"""What a network and its training cost: parameters, multiply-accumulates, TrCost."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import torch
from torch import nn

from reid_srdl.analysis.work import WorkCounter

TRCOST_UNIT = 1e16


def count_parameters(network: nn.Module) -> int:
    """Returns the number of parameters, trainable or frozen; buffers do not count.

    Those of an ONNX file count, too: who holds one tells them as ``inside``.
    """
    held = sum(getattr(module, "inside", 0) for module in network.modules())
    return held + sum(parameter.numel() for parameter in network.parameters())


def multiply_accumulates(network: nn.Module, height: int, width: int, channels: int = 3) -> int:
    """Counts the multiply-accumulates of one forward pass of one image, on the network itself.

    What counts is told at :class:`~reid_srdl.analysis.work.WorkCounter`. The pass runs in
    evaluation mode on the network's own device and type; modes, weights, buffers and random states
    are afterwards what they were before.

    Args:
        network: takes images, 1 x channels x height x width.
        height, width: of the input, in pixels.
        channels: of the input.

    >>> multiply_accumulates(nn.Conv2d(3, 8, kernel_size=1), 4, 5)
    480
    """
    like = next(chain(network.parameters(), network.buffers()), torch.empty(0))
    image = torch.zeros(1, channels, height, width, device=like.device, dtype=like.dtype)
    modes = [(module, module.training) for module in network.modules()]
    try:
        network.eval()
        with torch.no_grad(), WorkCounter() as work:
            network(image)
    finally:
        for module, training in modes:
            module.training = training
    return work.forward_macs


def trcost(
    macs: int,
    epochs: float,
    images: int,
    extraction_passes: int = 0,
    teachers: Iterable[float] = (),
) -> float:
    """Returns the training cost TrCost in units of 10^16 (SRDL paper, section 4.1).

    The paper defines TrCost = forward FLOPs x epochs x training-set size. Its published values
    follow no single convention: multiply-accumulates give 0.069, 5.24 and 13.95 for the CIFAR runs
    of ResNet-32, WRN-28-10 and DenseNet-BC-190-40, where the paper prints 0.08, 12.62 and 10.24.
    So values from here compare with each other, not with the paper's. Here

        TrCost = (macs * (epochs + extraction passes) * images) / 10^16 + sum of the teachers'

    where macs counts one forward pass of one image, one multiply-accumulate as one. Backward
    passes are left out, as in the paper.

    Args:
        macs: multiply-accumulates of one forward pass, :func:`multiply_accumulates`.
        epochs: epochs trained, all stages together.
        images: images of the training set.
        extraction_passes: forward passes over the training set to extract knowledge (1 for the
            clean view, 2 for clean and flipped).
        teachers: TrCost of each teacher: its own training, and its passes as ``extraction_passes``
            of its own macs (one for each epoch where it is consulted live).

    >>> trcost(68_870_000, 200, 50_000)
    0.06887
    """
    passes = epochs + extraction_passes
    return macs * passes * images / TRCOST_UNIT + sum(teachers)
