"""Float64 numbers in cells of equal numbers of floats, so that counts by cell keep their order.

A float64's bits, read as an integer, ascend with its value (for negative ones after a flip). The
upper 22 bits name a cell: about 1,000 for each doubling of the value. Cells are shifted by half of
one, so that whole numbers stand in the middle of a cell and rounding seldom moves them out of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BITS = 22
_SHIFT = 64 - _BITS
_HALF = 1 << (_SHIFT - 1)
_BELOW = 1 << (_BITS - 1)  # cells below that of zero
_SIGN = np.int64(0x7FFFFFFFFFFFFFFF)

CELLS = (1 << _BITS) + 1  # and one for what does not count
NOWHERE = 1 << _BITS


def cells_of(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns the cell of each finite value; larger values have the same cell or a later one.

    >>> cells_of(np.array([0.0, 1.0, 1.0005, 1.01, -1.0])).argsort(kind="stable").tolist()
    [4, 0, 1, 2, 3]
    """
    bits = (values + 0.0).view(np.int64)  # there is one zero then
    keys = bits ^ ((bits >> 63) & _SIGN)
    cells: NDArray[np.int64] = ((keys + _HALF) >> _SHIFT) + _BELOW
    return cells


def last_of(cells: Any) -> NDArray[np.float64]:
    """Returns the largest value of each cell."""
    keys = ((np.asarray(cells, np.int64) - _BELOW + 1) << _SHIFT) - _HALF - 1
    bits = keys ^ ((keys >> 63) & _SIGN)
    return bits.view(np.float64)
