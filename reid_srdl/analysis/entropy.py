"""Cross-entropy of a network over images as they are: clean views, evaluation mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from reid_srdl.models.network import Network


@torch.inference_mode()
def mean_cross_entropy(
    network: Network,
    batches: Iterable[tuple[Tensor, Tensor]],
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> float:
    """Returns the mean of -log p(y|x) in nats, summed in float64.

    Args:
        network: in evaluation mode afterwards, weights untouched.
        batches: pairs of B x 3 x H x W normalised images and B int64 labels, on its device.
        autocast: the context in which forward passes run.
    """
    network.eval()
    total: Tensor | None = None
    images = 0
    for clean, labels in batches:
        with autocast():
            logits = network(clean).logits
        loss = F.cross_entropy(logits.double(), labels, reduction="sum")
        total = loss if total is None else total + loss  # on the device, without waiting for it
        images += len(labels)
    if total is None:
        raise ValueError("no images")
    return total.item() / images
