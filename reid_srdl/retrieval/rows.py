"""Features as an evaluation reads them: rows of an array, as float32, perhaps normalised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic import exact
from reid_srdl.retrieval.arithmetic.half import widened
from reid_srdl.retrieval.arithmetic.parallel import each

_STEP_BYTES = 1 << 21

Reader = Callable[[slice, NDArray[np.float32]], Any]


@dataclass(frozen=True)
class Rows:
    """N rows of an M x D float16 or float32 array (memory-mapped ones too), never copied whole.

    Attributes:
        features: the array.
        index: N positions in it, ascending; None for all.
        lengths: the Euclidean norms of the N rows where they are to be L2-normalised, else None.
    """

    features: NDArray[Any]
    index: NDArray[np.int64] | None = None
    lengths: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.features) if self.index is None else len(self.index)

    @property
    def dim(self) -> int:
        """Number of dimensions, D."""
        return int(self.features.shape[1])

    @property
    def normalized(self) -> bool:
        """Whether the rows are read L2-normalised."""
        return self.lengths is not None

    def take(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the rows at ``positions`` as P x D float32."""
        lengths = None if self.lengths is None else self.lengths[positions]
        source = positions if self.index is None else self.index[positions]
        return _as_read(self.features[source], lengths)

    def reader(self, positions: NDArray[np.int64]) -> Reader:
        """Returns what writes some of the P rows at ``positions`` to an array, as `take` reads.

        Many small parts are read faster so: nothing but the rows is looked up for each.
        """
        if self.features.dtype != np.float32 or self.lengths is not None:
            return lambda part, out: np.copyto(out, self.take(positions[part]))
        source = positions if self.index is None else self.index[positions]
        # "raise" would buffer.
        return lambda part, out: np.take(self.features, source[part], 0, out, mode="clip")

    def sides_of(self, positions: NDArray[np.int64]) -> Iterator[tuple[Any, Rows, Any]]:
        """Yields which of P positions are in one set of rows, that set, and where they are there.

        Rows that were not joined are one set.
        """
        yield slice(None), self, positions

    def block(self, start: int, stop: int) -> NDArray[np.float32]:
        """Returns rows ``start`` to ``stop`` as float32: a view where possible, so read only."""
        lengths = None if self.lengths is None else self.lengths[start:stop]
        source = slice(start, stop) if self.index is None else self.index[start:stop]
        return _as_read(self.features[source], lengths)

    def directionless(self) -> int:
        """Counts rows of zeros that are to be L2-normalised, which cannot be."""
        return 0 if self.lengths is None else int(np.count_nonzero(self.lengths == 0))

    def select(self, positions: NDArray[np.int64]) -> Rows:
        """Returns the rows at ``positions``, which ascend, without copying features."""
        index = positions if self.index is None else self.index[positions]
        lengths = None if self.lengths is None else self.lengths[positions]
        return Rows(self.features, index, lengths)

    def steps(self) -> list[tuple[int, int]]:
        """Returns (start, stop) of small runs of rows that cover all of them."""
        step = max(1, _STEP_BYTES // (4 * self.dim))
        return [(start, min(start + step, len(self))) for start in range(0, len(self), step)]

    def largest(self) -> float:
        """Returns the largest magnitude among all values; NaN or infinity where one is."""
        if self.lengths is not None:
            return 1.0

        def extreme(step: tuple[int, int]) -> float:
            block = self.block(*step)
            return max(float(-block.min()), float(block.max()))

        return float(np.max(list(each(extreme, self.steps())), initial=0.0))


def rows_of(features: NDArray[Any], *, normalize: bool = False) -> Rows:
    """Returns all rows of N x D ``features``, read L2-normalised if ``normalize``."""
    rows = Rows(features)
    if not normalize or not len(rows):
        return rows
    lengths = np.concatenate(list(each(lambda step: exact.norms(rows.block(*step)), rows.steps())))
    return Rows(features, lengths=lengths)


def joined(sides: Sequence[Rows]) -> Rows:
    """Returns the rows of several, one after the other, as they are read; nothing is copied."""
    return sides[0] if len(sides) == 1 else _Joined(sides[0].features, sides=tuple(sides))


@dataclass(frozen=True)
class _Joined(Rows):
    """Rows of several ``sides``; ``features`` are the first one's."""

    sides: tuple[Rows, ...] = ()

    def __len__(self) -> int:
        return sum(len(side) for side in self.sides)

    @property
    def normalized(self) -> bool:
        return all(side.normalized for side in self.sides if len(side))

    def _placed(self) -> Iterator[tuple[int, int, Rows]]:
        """Yields (first, after the last, side) of each side."""
        first = 0
        for side in self.sides:
            yield first, first + len(side), side
            first += len(side)

    def take(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        out = np.empty((len(positions), self.dim), np.float32)
        for here, side, own in self.sides_of(positions):
            out[here] = side.take(own)
        return out

    def reader(self, positions: NDArray[np.int64]) -> Reader:
        return lambda part, out: np.copyto(out, self.take(positions[part]))

    def sides_of(self, positions: NDArray[np.int64]) -> Iterator[tuple[Any, Rows, Any]]:
        for first, stop, side in self._placed():
            here = np.flatnonzero((positions >= first) & (positions < stop))
            if here.size:
                yield here, side, positions[here] - first

    def block(self, start: int, stop: int) -> NDArray[np.float32]:
        blocks = [
            side.block(max(start, first) - first, min(stop, last) - first)
            for first, last, side in self._placed()
            if max(start, first) < min(stop, last)
        ]
        if not blocks:
            return np.empty((0, self.dim), np.float32)
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def select(self, positions: NDArray[np.int64]) -> Rows:
        return joined(
            [
                side.select(positions[(positions >= first) & (positions < stop)] - first)
                for first, stop, side in self._placed()
            ]
        )


def _as_read(x: NDArray[Any], lengths: NDArray[np.float64] | None) -> NDArray[np.float32]:
    wide = widened(x)
    return wide if lengths is None else exact.normalized(wide, lengths)
