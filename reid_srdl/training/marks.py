"""What is wrong with the network that a phase ends with: it learned nothing, or it is poisoned."""

from __future__ import annotations

import math

import torch
from torch import nn

from reid_srdl.data.batches import TrainingSet
from reid_srdl.models.network import Network
from reid_srdl.records.cost import Mark
from reid_srdl.training.monitor import NetworkRow
from reid_srdl.training.precision import Compute

CHANCE = 0.97  # of ln C, the cross-entropy of a classifier that knows nothing
DIVERGED = 10  # times ln C: nothing good comes from going on there
IMAGES = 2048  # clean training images that are looked at
STILL = 1e-6  # the standard deviation of a feature that says nothing


class PoisonedError(Exception):
    """A network holds, or answers, NaN or infinity."""


def check_finite(name: str, module: nn.Module) -> None:
    """Raises PoisonedError where a weight or a buffer is not finite; the first is named."""
    for key, value in module.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            kind = "NaN" if bool(torch.isnan(value).any()) else "infinity"
            raise PoisonedError(f"{name}.{key} holds {kind}")


def marks_of(
    network: Network, row: NetworkRow, images: TrainingSet, compute: Compute, batch: int
) -> tuple[Mark, ...]:
    """Returns what is wrong with a network after the last epoch of a phase.

    ``at chance``: the epoch's cross-entropy is above 0.97 ln C. ``collapsed``: over half of the
    pooled features have a standard deviation below 1e-6 over 2,048 clean training images.

    Args:
        network: in evaluation mode afterwards; one that computes no logits has no marks.
        row: its last epoch.
        images: what it was trained on.
        compute: where it runs.
        batch: images of a forward pass.

    Raises:
        PoisonedError: its answers are not finite.
    """
    if row.ce is None:
        return ()
    marks: list[Mark] = ["at chance"] if row.ce > CHANCE * math.log(network.classes) else []
    if _still_share(network.eval(), images, compute, batch) > 0.5:
        marks.append("collapsed")
    return tuple(marks)


@torch.inference_mode()
def _still_share(network: Network, images: TrainingSet, compute: Compute, batch: int) -> float:
    """Returns the share of pooled features that are the same for all images."""
    pooled = []
    for clean in images.spread(batch, IMAGES):
        with compute.autocast():
            output = network(clean)
        finite = torch.isfinite(output.pooled).all() & torch.isfinite(output.logits).all()
        if not bool(finite):
            raise PoisonedError("the network answers NaN or infinity for training images")
        pooled.append(output.pooled)
    deviations = torch.cat(pooled).double().std(dim=0, correction=0)
    return float((deviations < STILL).double().mean())
