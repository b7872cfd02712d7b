"""Named random generators, all derived from one seed.

A draw is a function of (seed, names), never of how many draws came before it: that is what lets a
run stop anywhere and go on with the same numbers.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def derive(seed: int, *names: str | int) -> int:
    """Returns a 63-bit seed for the draw that ``names`` describe.

    >>> derive(0, "shuffle", 3) == derive(0, "shuffle", 3) != derive(0, "shuffle", 4)
    True
    """
    text = "/".join(str(part) for part in (seed, *names))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Returns NumPy's counter-based generator for the draw that ``names`` describe."""
    return np.random.Generator(np.random.Philox(derive(seed, *names)))


def uniform(seed: int, index: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """Returns B x ``count`` numbers, uniform in [0, 1): row i is a function of (seed, index i).

    Each is the mixed value of a counter (SplitMix64, Steele, Lea and Flood 2014, Fast Splittable
    Pseudorandom Number Generators), so a batch needs no draws of samples outside it.

    >>> a, b = uniform(1, np.array([7, 9]), 3), uniform(1, np.array([9]), 3)
    >>> a.shape, bool((a[1] == b[0]).all())
    ((2, 3), True)
    """
    columns = np.arange(1, count + 1, dtype=np.uint64)
    counters: NDArray[np.uint64] = index.astype(np.uint64)[:, None] * np.uint64(count) + columns
    z: NDArray[np.uint64] = np.uint64(seed) + counters * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float32)) * np.float32(2**-24)
