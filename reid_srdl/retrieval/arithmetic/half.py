"""Turns float16 into float32, exactly, and several times as fast as NumPy's own conversion."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIGN_AND_REST = np.int32(0x8FFFE000 - (1 << 32))  # of a float16 whose rest was moved to float32's
_BIASES = np.float32(2.0**112)  # between both exponents' biases, 15 and 127
_FINITE = np.float32(65536)  # above all finite float16


def widened(x: NDArray[Any]) -> NDArray[np.float32]:
    """Returns a real array as float32: the array itself where it is that already.

    A float16 has its sign, 5 bits of exponent and 10 of the rest; moved to the places of float32's,
    they stand for a number 2^112 times smaller, subnormal ones too.

    >>> widened(np.array([1.5, -6e-8], np.float16))
    array([ 1.5000000e+00, -5.9604645e-08], dtype=float32)
    """
    if x.dtype != np.float16 or not x.size:
        return np.asarray(x, np.float32)
    bits = x.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= _SIGN_AND_REST
    wide: NDArray[np.float32] = bits.view(np.float32)
    wide *= _BIASES
    if max(float(wide.max()), -float(wide.min())) < _FINITE:
        return wide
    return x.astype(np.float32)  # infinities and NaN
