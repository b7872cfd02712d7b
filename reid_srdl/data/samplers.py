"""Which images make the batches of an epoch. Needs no torch.

Every sampler gives floor(N / B) batches of B of N images, as a function of (seed, phase, epoch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.seeds import generator


@dataclass(frozen=True)
class Shuffled:
    """All images in a drawn order; those of a last batch that would not be full are left out."""

    def order(
        self, labels: NDArray[np.int64], batch_size: int, seed: int, phase: str, epoch: int
    ) -> NDArray[np.int64]:
        """Returns the images of an epoch's batches, one batch after the other.

        Args:
            labels: the class of each of the N images.
            batch_size: B.
            seed, phase, epoch: name the draw.
        """
        order = generator(seed, phase, epoch, "shuffle").permutation(len(labels))
        return order[: len(labels) // batch_size * batch_size]

    def of_part(self, sets: int) -> Shuffled:
        """Returns what fills a set's part of batches of equal parts of several sets."""
        return self


@dataclass(frozen=True)
class Identities:
    """P identities with K images each (Hermans et al. 2017, section 2); of classes likewise.

    A drawn list of the identities is walked through, P at a time, and begun anew when fewer than P
    are left; so is a list of each identity's images, K at a time, when it is used up. An identity
    with K images or more never shows one of them twice in a batch; one with fewer repeats them.

    Attributes:
        identities: P.
        images: K.
    """

    identities: int
    images: int

    def order(
        self, labels: NDArray[np.int64], batch_size: int, seed: int, phase: str, epoch: int
    ) -> NDArray[np.int64]:
        """Returns the images of an epoch's batches, one batch after the other; as `Shuffled`."""
        assert batch_size == self.identities * self.images
        piles = {
            identity: _Pile(images, generator(seed, phase, epoch, "images", identity))
            for identity, images in _images_of(labels).items()
        }
        walk = _Pile(list(piles), generator(seed, phase, epoch, "identities"))
        chosen: list[int] = []
        for _ in range(len(labels) // batch_size):
            for identity in walk.whole(self.identities):
                chosen += piles[identity].some(self.images)
        return np.array(chosen, np.int64)

    def of_part(self, sets: int) -> Identities:
        """Returns what fills a set's part of batches of equal parts of several sets."""
        return Identities(self.identities // sets, self.images)


Sampler = Shuffled | Identities


class _Pile:
    """Things in a drawn order, from which some are taken at a time; drawn anew when used up."""

    def __init__(self, things: Sequence[int], draw: np.random.Generator) -> None:
        self._things, self._draw = things, draw
        self._left: list[int] = []

    def whole(self, count: int) -> list[int]:
        """Takes ``count`` of them; where fewer are left, all are drawn anew."""
        if len(self._left) < count:
            self._left = self._drawn()
        return self._taken(count)

    def some(self, count: int) -> list[int]:
        """Takes ``count`` of them, the last ones left and then, drawn anew, others first."""
        taken = self._taken(count)
        while len(taken) < count:
            self._left = sorted(self._drawn(), key=taken.__contains__)  # stable: else as drawn
            taken += self._taken(count - len(taken))
        return taken

    def _drawn(self) -> list[int]:
        return [self._things[place] for place in self._draw.permutation(len(self._things))]

    def _taken(self, count: int) -> list[int]:
        taken, self._left = self._left[:count], self._left[count:]
        return taken


def _images_of(labels: NDArray[np.int64]) -> dict[int, list[int]]:
    """Returns the places of each label, ascending, by the labels that there are."""
    order = np.argsort(labels, kind="stable")
    found, firsts = np.unique(labels[order], return_index=True)
    parts = np.split(order, firsts[1:])
    return {int(label): part.tolist() for label, part in zip(found, parts, strict=True)}


def draw_rows(order: NDArray[np.int64], images: int) -> NDArray[np.int64]:
    """Returns which row of an epoch's draws each place of its order has.

    Where image i comes first it has row i; each repetition has a row of its own, from ``images``
    on, in the order in which they come.

    >>> draw_rows(np.array([2, 0, 2, 2, 1, 0]), 3).tolist()
    [2, 0, 3, 4, 1, 5]
    """
    rows = order.copy()
    _, firsts = np.unique(order, return_index=True)
    again = np.setdiff1d(np.arange(len(order)), firsts)
    rows[again] = images + np.arange(len(again))
    return rows
