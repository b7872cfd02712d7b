"""The definition of distance: the same bits everywhere, and as near to the truth as it says."""

from __future__ import annotations

import doctest
import importlib
from fractions import Fraction

import numpy as np
import pytest

from reid_srdl.retrieval.arithmetic import exact
from reid_srdl.retrieval.rows import rows_of
from tests.retrieval.brute import defined_distance, true_distance

DIMS = [1, 2, 3, 5, 31, 64, 257, 2048]


def _pairs(dim: int, count: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(dim)
    scale = 10.0 ** rng.integers(-6, 7, (count, dim))
    return tuple((rng.standard_normal((count, dim)) * scale).astype(np.float32) for _ in range(2))


@pytest.mark.parametrize("dim", DIMS)
def test_bits_equal_python_floats_and_torch(dim: int) -> None:
    import torch

    q, g = _pairs(dim)
    ours = exact.pair_distances(q, g)
    assert ours.dtype == np.float64
    assert ours.tolist() == [defined_distance(a, b) for a, b in zip(q, g, strict=True)]
    theirs = exact.pair_distances(torch.from_numpy(q), torch.from_numpy(g))
    assert ours.tolist() == theirs.tolist()


def test_bits_do_not_depend_on_layout_batch_or_broadcast(monkeypatch: pytest.MonkeyPatch) -> None:
    q, g = _pairs(100, 50)
    whole = exact.pair_distances(q, g)
    monkeypatch.setattr(exact, "_SCRATCH", 300)
    assert np.array_equal(whole, exact.pair_distances(np.asfortranarray(q), g))
    one_by_one = [exact.pair_distances(q[i : i + 1], g[i : i + 1])[0] for i in range(50)]
    assert whole.tolist() == one_by_one
    repeated = exact.pair_distances(np.repeat(q[:1], 50, axis=0), g)
    assert np.array_equal(exact.pair_distances(q[:1], g), repeated)


@pytest.mark.parametrize("dim", DIMS)
def test_relative_error_is_bounded(dim: int) -> None:
    q, g = _pairs(dim)
    for a, b, ours in zip(q, g, exact.pair_distances(q, g), strict=True):
        truth = true_distance(a, b)
        assert abs(Fraction(float(ours)) - truth) <= Fraction(exact.relative_error(dim)) * truth


def test_normalised_rows_are_unit_vectors_rounded_once() -> None:
    x, _ = _pairs(77)
    unit = exact.normalized(x)
    assert unit.dtype == np.float32
    wide = x.astype(np.longdouble)
    expected = wide / np.sqrt((wide**2).sum(axis=1, keepdims=True))
    assert np.abs(unit - expected).max() <= 2.0**-24
    assert np.array_equal(unit, rows_of(x, normalize=True).block(0, 9))
    some = np.array([4, 1])
    assert np.array_equal(unit[some], rows_of(x, normalize=True).take(some))


def test_a_row_of_zeros_stays_zero() -> None:
    assert exact.normalized(np.zeros((2, 3), np.float32)).tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("name", ["arithmetic.exact", "metrics", "multi_query", "rules"])
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(f"reid_srdl.retrieval.{name}")
    result = doctest.testmod(module, extraglobs={"np": np})
    assert result.attempted > 0
    assert result.failed == 0
