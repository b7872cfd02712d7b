"""How a network takes its pixels: as its spec says, else as suits the data set."""

from __future__ import annotations

from reid_srdl.data.normalisation import IMAGENET, Normalisation
from reid_srdl.models.changes import Normalised
from reid_srdl.models.spec import NetworkSpec


def normalisation_of(spec: NetworkSpec, otherwise: Normalisation = IMAGENET) -> Normalisation:
    """Returns mean and deviation of the pixels that a network takes.

    Args:
        spec: the network's.
        otherwise: of the data set, where the network has none of its own.
    """
    own = next((change for change in spec.changes if isinstance(change, Normalised)), None)
    return otherwise if own is None else Normalisation(own.mean, own.std)
