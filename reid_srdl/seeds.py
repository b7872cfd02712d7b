"""Named random generators, all derived from one seed.

A draw is a function of (seed, names), never of how many draws came before it: that is what lets a
run stop anywhere and go on with the same numbers.
"""

from __future__ import annotations

import hashlib

import numpy as np


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
