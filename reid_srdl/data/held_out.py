"""What is held out of training to judge epochs by: whole identities, or images of each class.

NOTE: the draw is the same for every seed of a run, so that seeds can be averaged and a teacher
knows the same people as its student.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.seeds import generator

_SEED = 0


def held_identities(identities: Sequence[str], share: float) -> frozenset[str]:
    """Returns a drawn share of the training identities; nobody is on both sides.

    Args:
        identities: of the training set, by name.
        share: 0 to 1, rounded to whole identities.

    Raises:
        UserError: fewer than two are left on a side: one alone is found whatever a network does.
    """
    count = round(share * len(identities))
    if not 2 <= count <= len(identities) - 2:
        raise UserError(
            f"data.validation: {share:g} of {len(identities)} identities is {count}: each side "
            "needs two, to train on or to judge by",
            f"set data.validation from {2 / len(identities):.2g} to {1 - 2 / len(identities):.2g}"
            if len(identities) >= 4
            else "leave data.validation out",
            usage=True,
        )
    drawn = generator(_SEED, "validation").permutation(len(identities))[:count]
    return frozenset(identities[place] for place in drawn.tolist())


def held_images(
    labels: NDArray[np.int64], share: float, classes: Sequence[str]
) -> NDArray[np.bool_]:
    """Returns which of N images are held out: a drawn share of each class's.

    Args:
        labels: N classes, int64.
        share: 0 to 1, rounded to whole images of each class.
        classes: the classes' names, by label.

    Raises:
        UserError: a class has none on a side.
    """
    held = np.zeros(len(labels), np.bool_)
    for label, name in enumerate(classes):
        own = np.flatnonzero(labels == label)
        count = round(share * len(own))
        if not 1 <= count <= len(own) - 1:
            raise UserError(
                f"data.validation: {share:g} of the {len(own)} images of class {name!r} is "
                f"{count}: each side needs one, to train on or to judge by",
                "choose another share" if len(own) > 1 else "leave data.validation out",
                usage=True,
            )
        drawn = generator(_SEED, "validation", label).permutation(len(own))[:count]
        held[own[drawn]] = True
    return held
