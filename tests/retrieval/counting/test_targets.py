"""Estimates of distances keep to their bounds; the definition is asked where they do not tell."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from reid_srdl.retrieval.arithmetic.exact import pair_distances
from reid_srdl.retrieval.counting import matches
from reid_srdl.retrieval.counting.matches import find_targets
from reid_srdl.retrieval.counting.pairs import Defined, nearly
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.labels import Labels
from reid_srdl.retrieval.rows import rows_of
from reid_srdl.retrieval.rules import PidIndex


def _nearly(q: np.ndarray, g: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    every = np.arange(len(q))
    return nearly(rows_of(q), rows_of(g), every, every, scale)


def _near(dim: int, count: int, shift: float, factor: float) -> np.ndarray:
    rng = np.random.default_rng(dim + count)
    return ((rng.standard_normal((count, dim)) + shift) * factor).astype(np.float32)


@pytest.mark.parametrize("dim", [1, 5, 16, 40, 2048])
@pytest.mark.parametrize(("shift", "factor"), [(0, 1.0), (300, 1.0), (0, 1e-30), (0, 1e30)])
def test_rough_distances_are_as_near_as_they_say(dim: int, shift: float, factor: float) -> None:
    q, g = _near(dim, 20, shift, factor), _near(dim, 21, shift, factor)[:20]
    scale = 2.0 ** -np.frexp(factor)[1]
    near, error = _nearly(q, g, scale)
    truth = pair_distances(q, g)
    assert (np.abs(near - truth) <= error).all()
    assert (error <= 5e-6 * truth + 1e-30 * factor**2).all()


def test_what_float32_cannot_hold_is_left_open() -> None:
    q, g = np.float32([[3e38, 1.0], [1.0, 1.0]]), np.float32([[-3e38, 1.0], [2.0, 1.0]])
    near, error = _nearly(q, g, 1.0)
    assert np.isinf(error[0])
    assert np.isfinite(near).all()
    assert near[1] == 1.0
    tiny = np.full((1, 3), 1e-30, np.float32)
    near, error = _nearly(tiny, -tiny, 1.0)
    assert abs(near[0] - 12e-60) <= error[0]


@pytest.mark.parametrize("dim", [3, 700])
@pytest.mark.parametrize(("shift", "factor"), [(0, 1.0), (300, 1.0), (1e5, 1.0), (0, 1e-30)])
def test_the_definition_lies_within_the_slack(dim: int, shift: float, factor: float) -> None:
    queries, gallery = _near(dim, 8, shift, factor), _near(dim, 60, shift, factor)
    pids = np.arange(60) % 3
    same = PidIndex(Labels(pids, np.full(60, 2))).same_pid(Labels(pids[:8], np.ones(8, np.int64)))
    found = find_targets(rows_of(queries), rows_of(gallery), same)
    assert (found.slack > 0).all()
    truth = pair_distances(queries[found.query], gallery[found.image])
    off = np.abs(found.distances - truth)
    assert (off <= found.slack).all()
    assert (found.slack <= 1e-10 * truth.max()).all()
    assert np.array_equal(found.defined(np.arange(len(truth))), truth)
    for start, stop in zip(found.offsets[:-1], found.offsets[1:], strict=True):
        assert (np.diff(found.distances[start:stop]) >= 0).all()


def test_some_queries_targets_are_the_same_as_before() -> None:
    queries, gallery = _near(5, 9, 0, 1.0), _near(5, 60, 0, 1.0)
    pids, cameras = np.arange(60) % 4, np.arange(60) % 2
    index = PidIndex(Labels(pids, cameras))
    labels = Labels(
        np.append(pids[:8], 77), np.zeros(9, np.int64)
    )  # nobody is the last one's match
    rows = rows_of(queries), rows_of(gallery)
    whole = find_targets(*rows, index.same_pid(labels))
    some = np.array([1, 4, 5, 8])
    selected, which = whole.select(some)
    alone = find_targets(rows[0].select(some), rows[1], index.same_pid(labels.take(some)))
    assert np.array_equal(whole.query[which], some[selected.query])
    for field in ("offsets", "query", "image"):
        assert np.array_equal(getattr(selected, field), getattr(alone, field))
    for field in ("query", "image", "match"):
        assert np.array_equal(getattr(selected.same, field), getattr(alone.same, field))
    every = np.arange(len(which))
    assert np.array_equal(selected.defined(every), alone.defined(every))
    assert (np.abs(selected.distances - alone.distances) <= selected.slack + alone.slack).all()


def test_few_matches_take_the_definition_at_once() -> None:
    queries, gallery = _near(9, 5, 0, 1.0), _near(9, 10, 0, 1.0)
    pids = np.arange(10) % 5
    same = PidIndex(Labels(pids, np.full(10, 2))).same_pid(Labels(pids[:5], np.ones(5, np.int64)))
    found = find_targets(rows_of(queries), rows_of(gallery), same)
    assert (found.slack == 0).all()
    assert np.array_equal(
        found.distances, pair_distances(queries[found.query], gallery[found.image])
    )


def test_identities_are_multiplied_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, gallery = _near(4, 30, 0, 1.0), _near(4, 300, 0, 1.0)
    rng = np.random.default_rng(0)
    pids = rng.integers(0, 7, 300)
    same = PidIndex(Labels(pids, rng.integers(1, 4, 300))).same_pid(
        Labels(pids[:30], rng.integers(1, 4, 30))
    )
    found = []
    for values in (8, 1 << 20):
        monkeypatch.setattr(matches, "_GROUP_VALUES", values)
        found.append(find_targets(rows_of(queries), rows_of(gallery), same))
    one, other = found
    assert np.array_equal(one.image, other.image)
    assert np.allclose(one.distances, other.distances, rtol=1e-12)
    wide = queries[one.query].astype(np.float64) - gallery[one.image]
    assert np.allclose(one.distances, (wide**2).sum(axis=1), rtol=1e-12)


def test_matches_that_tie_are_ordered_by_the_definition() -> None:
    # Two matches at distances that differ by less than the slack, handed over in the wrong order.
    queries, gallery = np.float32([[0.0]]), np.float32([[2.0], [1.0], [1.5]])
    same = PidIndex(Labels(np.array([1, 1, 0]), np.array([2, 2, 2]))).same_pid(
        Labels(np.array([1]), np.array([1]))
    )
    found = find_targets(rows_of(queries), rows_of(gallery), same)
    swapped = Targets(
        found.same,
        found.offsets,
        found.query,
        found.image[::-1],
        np.array([2.0, 2.0]),
        np.array([9.0, 9.0]),
        Defined(rows_of(queries), rows_of(gallery), found.query, found.image[::-1].copy()),
    )
    zero, two = np.array([0]), np.array([2])
    assert swapped.position(zero, two, np.array([2.25]), np.array([2])).tolist() == [1]
    assert swapped.position(zero, two, np.array([1.0]), np.array([0])).tolist() == [0]
    assert swapped.position(zero, two, np.array([1.0]), np.array([2])).tolist() == [1]
    assert swapped.position(zero, two, np.array([9.0]), np.array([2])).tolist() == [2]
    least, most = swapped.between(zero, two, np.array([2.25]), np.array([0.1]))
    assert (least.tolist(), most.tolist()) == ([0], [2])
    assert Fraction(2.25) == Fraction(1.5) ** 2
