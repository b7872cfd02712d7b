"""A part of the training images, where a run asks for fewer: the same shares of each class.

NOTE: the draw is the same for every seed of a run, as that of `data.held_out` is: methods and seeds
are compared on the same images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.seeds import generator

_SEED = 0


class FewImagesError(UserError):
    """A number of images that the data, or their classes, do not allow."""


def fewer_images(labels: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Returns which of N images are trained on: ``count`` of them, in the classes' proportions.

    A class of n images has one, and its share of the others: (count - C) * (n - 1) / (N - C),
    rounded down; what rounding leaves goes to the largest remainders, of equal ones to the first.

    Args:
        labels: N classes, int64.
        count: how many, from C, the number of classes, to N.

    Raises:
        FewImagesError: there are fewer images, or more classes.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    if count > len(labels):
        raise FewImagesError(
            f"data.images: {count:,} is more than the {len(labels):,} that there are to train on",
            "lower data.images, or leave it out for all",
            usage=True,
        )
    if count < len(classes):
        raise FewImagesError(
            f"data.images: {count:,} images leave none to some of {len(classes):,} classes",
            f"give --set data.images={len(classes)} or more",
            usage=True,
        )
    shown = np.zeros(len(labels), np.bool_)
    for label, own_count in zip(classes.tolist(), _shares(sizes, count).tolist(), strict=True):
        own = np.flatnonzero(labels == label)
        drawn = generator(_SEED, "images", label).permutation(len(own))[:own_count]
        shown[own[drawn]] = True
    return shown


def _shares(sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Returns how many images each class gives, of ``sizes``: whole numbers, one at least."""
    spare = sizes - 1
    if not spare.any():
        return sizes
    whole, rest = np.divmod((count - len(sizes)) * spare, spare.sum())
    left = count - len(sizes) - int(whole.sum())
    whole[np.argsort(-rest, kind="stable")[:left]] += 1
    return 1 + whole
