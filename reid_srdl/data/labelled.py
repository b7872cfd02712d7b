"""Which training images show their labels, where only a share of them does.

NOTE: the draw is the same for every seed of a run, as that of `data.held_out` is: what a method
gains from images without labels is compared on the same labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_srdl.seeds import generator

_SEED = 0


def labelled_images(labels: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Returns which of N images show their labels: a drawn share of each class's, one at least.

    Args:
        labels: N classes, int64.
        share: above 0, up to 1, rounded to whole images of each class.
    """
    shown = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels).tolist():
        own = np.flatnonzero(labels == label)
        count = max(1, round(share * len(own)))
        drawn = generator(_SEED, "labelled", label).permutation(len(own))[:count]
        shown[own[drawn]] = True
    return shown
