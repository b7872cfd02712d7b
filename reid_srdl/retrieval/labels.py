"""What is known of images: identities and cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

JUNK = -1
DISTRACTOR = 0
UNKNOWN_CAMERA = -2

Int64s = NDArray[np.int64]


@dataclass(frozen=True)
class Labels:
    """Identities and cameras of N images, int64."""

    pids: Int64s
    camids: Int64s

    def __len__(self) -> int:
        return len(self.pids)

    def take(self, positions: Int64s) -> Labels:
        """Returns the labels at ``positions``."""
        return Labels(self.pids[positions], self.camids[positions])


def joined_labels(sides: Sequence[Labels]) -> Labels:
    """Returns the labels of several, one after the other."""
    return Labels(
        np.concatenate([side.pids for side in sides]),
        np.concatenate([side.camids for side in sides]),
    )
