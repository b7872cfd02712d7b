"""float16 becomes float32 exactly, whatever stands beside it."""

from __future__ import annotations

import numpy as np
import pytest

from reid_srdl.retrieval.arithmetic.half import widened

ALL = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def test_every_finite_value_becomes_its_own_bits() -> None:
    x = ALL[np.isfinite(ALL)].reshape(-1, 16)
    assert np.array_equal(widened(x).view(np.uint32), x.astype(np.float32).view(np.uint32))


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_stays_so(value: float) -> None:
    x = np.array([[1.0, value], [-2.5, 0.0]], np.float16)
    assert np.array_equal(widened(x), x.astype(np.float32), equal_nan=True)


def test_whatever_lies_in_memory() -> None:
    x = ALL[: 1 << 10].reshape(32, 32)
    for part in (x.T, x[::2, 1::3], x[:0], x.astype(">f2"), np.ones((3, 0), np.float16)):
        assert np.array_equal(widened(part), part.astype(np.float32))


def test_float32_is_not_copied() -> None:
    x = np.ones((2, 3), np.float32)
    assert widened(x) is x
