"""How far what a graph answers lies from what the network answers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LIMIT = 1e-4  # the largest relative difference of a written graph, in float32
BATCHES = (1, 7)


def relative_difference(answers: Tensor, reference: Tensor) -> float:
    """Returns the largest difference, over N x D answers, relative to each row's largest value.

    max_i max_d |a_id - r_id| / max_d |r_id|; infinite where a row of zeros should be met and is
    not, or where a value is no number.
    """
    if answers.shape != reference.shape:
        return float("inf")
    a, r = answers.double(), reference.double()
    differences = (a - r).abs().amax(dim=1)
    sizes = r.abs().amax(dim=1)
    relative = torch.where(differences == 0, 0.0, differences / sizes)
    return float(torch.where(relative.isnan(), float("inf"), relative).max())


def largest_difference(
    run: Callable[[Tensor], Tensor], images: Tensor, reference: Tensor
) -> tuple[float, int]:
    """Returns the largest relative difference over batches of 1 and of 7, and which batch it was.

    Args:
        run: what is tried.
        images: N x C x H x W.
        reference: N x D, what it should answer.
    """
    found = [
        (
            relative_difference(
                torch.cat([run(part) for part in torch.split(images, size)]), reference
            ),
            size,
        )
        for size in BATCHES
    ]
    return max(found)
