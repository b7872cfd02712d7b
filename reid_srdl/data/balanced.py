"""Batches of which equal parts are of each joined set. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError

# From the labels of N images, a batch's size and the name of the draw to the images of as many
# whole batches as there are in them, one batch after the other.
Draw = Callable[[NDArray[np.int64], int, str], NDArray[np.int64]]


def balanced(
    sets: NDArray[np.int64], labels: NDArray[np.int64], batch_size: int, phase: str, draw: Draw
) -> NDArray[np.int64]:
    """Returns the images of an epoch's floor(N / B) batches, one batch after the other.

    Each set is drawn from by itself, and begun anew by another draw when it is used up: an image of
    a small set comes often.

    Args:
        sets: which set each of the N images is of.
        labels: the class of each.
        batch_size: B; where it has no equal parts, the first sets have an image more.
        phase: names the draws.
        draw: draws from one set.
    """
    numbers = np.unique(sets).tolist()
    steps, columns = len(sets) // batch_size, []
    for place, number in enumerate(numbers):
        part = batch_size // len(numbers) + (place < batch_size % len(numbers))
        places, drawn = np.flatnonzero(sets == number), np.zeros(0, np.int64)
        times = 0
        while len(drawn) < steps * part:
            own = draw(labels[places], part, f"{phase}, set {number}, time {times}")
            drawn, times = np.concatenate([drawn, places[own]]), times + 1
        columns.append(drawn[: steps * part].reshape(steps, part))
    return np.concatenate(columns, axis=1).reshape(-1)


def check_balance(sets: NDArray[np.int64], batch_size: int, identities: int | None = None) -> None:
    """Checks that batches can be made of equal parts.

    Args:
        sets: which set each of the N images is of.
        batch_size: B.
        identities: P, where batches are of P identities with K images each.

    Raises:
        UserError: B or P is no multiple of the number of sets, or a set has fewer images than its
            part.
    """
    numbers, counts = np.unique(sets, return_counts=True)
    if identities is not None and identities % len(numbers):
        least = len(numbers) * max(1, identities // len(numbers))
        raise UserError(
            f"sampler.identities: {identities} has no {len(numbers)} equal parts, one for each set",
            f"give --set sampler.identities={least}, or --set data.joint=proportional",
            usage=True,
        )
    if batch_size % len(numbers):
        least = len(numbers) * max(1, batch_size // len(numbers))
        raise UserError(
            f"optim.batch_size: {batch_size} has no {len(numbers)} equal parts, one for each set",
            f"give --batch-size {least}, or --set data.joint=proportional",
            usage=True,
        )
    if (part := batch_size // len(numbers)) > counts.min():
        raise UserError(
            f"optim.batch_size: {part} images of each set are more than the {counts.min()} of one",
            "lower it, or give --set data.joint=proportional",
            usage=True,
        )
