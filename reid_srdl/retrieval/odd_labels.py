"""Identities that are probably not what somebody meant by them: told, and counted as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.labels import JUNK
from reid_srdl.retrieval.memory.mapped import stretches

_FEW = np.iinfo(np.uint8).max  # people that a set may well have
_THROUGH_32_BITS = np.iinfo(np.uint32).max  # -1 that was saved without a sign, then widened


def odd_labels(features: Features, source: str) -> tuple[str, ...]:
    """Returns a line for each kind of identity that may be junk and counts as a person.

    Junk is -1. In a type without a sign it becomes the type's largest number. Labels of uint8
    may hold 256 people, so that 255 is told only where no query shows it.

    Args:
        features: checked, but for the labels' types, which are the file's own.
        source: what the lines call it, e.g. the file's path.
    """
    asked = set(np.unique(np.asarray(features.query.pids)).tolist())
    return tuple(
        f"{source}: {name}_pids: {line}"
        for name, part in features.parts()
        for line in _lines(np.asanyarray(part.pids), asked)
    )


def _lines(pids: NDArray[Any], asked: set[int]) -> Iterator[str]:
    below = first = 0
    if pids.dtype.kind == "i":
        for start, stop in stretches(pids):
            found = pids[start:stop][pids[start:stop] < JUNK]
            below, first = below + len(found), min(first, int(found.min(initial=0)))
    if below:
        yield (
            f"{_images(below)} of identities below {JUNK}, down to {first}, count as people: "
            f"only {JUNK} is junk"
        )
    for value in _wrapped(pids.dtype):
        count = sum(
            int(np.count_nonzero(pids[start:stop] == value)) for start, stop in stretches(pids)
        )
        if count and not (value == _FEW and value in asked):
            yield (
                f"{_images(count)} of identity {value}, as {JUNK} (junk) becomes in a type without "
                f"a sign, counted as a person; if it is junk, save the labels as int64, with {JUNK}"
            )


def _wrapped(dtype: np.dtype[Any]) -> list[int]:
    """Returns what -1 may have become in labels of a type."""
    if dtype.kind == "u" and dtype.itemsize < 8:
        return [int(np.iinfo(dtype).max)]
    return [int(_THROUGH_32_BITS)] if dtype.itemsize == 8 else []


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"
