"""Several re-id data sets as one to train on; each is judged by itself.

Identities and cameras are kept apart: number 3 of one set is another person, and another camera,
than number 3 of the next. A joint identity is its own number behind its set's: with sets whose
numbers have up to four digits, person 7 of the second set is 10007.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.reid.crops import DISTRACTOR, Crops, ReidData
from reid_srdl.errors import UserError

SIGN = "+"  # between the names of the sets


def join(parts: Sequence[ReidData]) -> ReidData:
    """Returns several sets as one, their crops in the sets' order.

    Args:
        parts: two sets or more, each with images to train on.

    Raises:
        UserError: a set has no training images.
    """
    for part in parts:
        if not len(part.train):
            raise UserError(
                f"{part.root}: {part.name} has no training images to join",
                f"train without it, then: reid-srdl eval RUN --dataset {part.name}",
            )
    boxes = [part.boxes or _none() for part in parts]
    return ReidData(
        name=SIGN.join(part.name for part in parts),
        root=parts[0].root,
        train=_joined(parts, [part.train for part in parts]),
        query=_joined(parts, [part.query for part in parts]),
        gallery=_joined(parts, [part.gallery for part in parts]),
        boxes=_joined(parts, boxes) if any(map(len, boxes)) else None,
        notes=tuple(note for part in parts for note in part.notes),
        parts=tuple(parts),
    )


def joint_pids(parts: Sequence[ReidData], place: int, pids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the joint numbers of identities of one of the sets; junk and nobody keep theirs.

    Args:
        parts: all sets.
        place: which of them, from 0.
        pids: N identities as that set numbers them.
    """
    largest = max(int(own.pids.max(initial=1)) for part in parts for own in _splits(part))
    step = 10 ** len(str(largest))
    return np.where(pids > DISTRACTOR, pids + place * step, pids)


def set_of_each(data: ReidData) -> NDArray[np.int64] | None:
    """Returns which of the joined sets each training crop is of; None: nothing is joined."""
    if not data.parts:
        return None
    return np.repeat(np.arange(len(data.parts)), [len(part.train) for part in data.parts])


def _joined(parts: Sequence[ReidData], crops: Sequence[Crops]) -> Crops:
    """Joins one split of each set."""
    first, pids, camids = 0, [], []
    for place, (part, own) in enumerate(zip(parts, crops, strict=True)):
        pids.append(joint_pids(parts, place, own.pids))
        camids.append(own.camids + first)
        first += max(int(split.camids.max(initial=0)) for split in _splits(part))
    paths = tuple(path for own in crops for path in own.paths)
    return Crops(paths, np.concatenate(pids), np.concatenate(camids))


def _splits(part: ReidData) -> Iterator[Crops]:
    yield from (part.train, part.query, part.gallery)
    if part.boxes is not None:
        yield part.boxes


def _none() -> Crops:
    return Crops((), np.zeros(0, np.int64), np.zeros(0, np.int64))
