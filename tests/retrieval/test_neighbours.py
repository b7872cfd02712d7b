"""Neighbours from bounds against all distances, whatever the bounds' dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reid_srdl.by_faiss.pairs import pair_distances, pair_error
from reid_srdl.reranking import bounds, neighbours
from reid_srdl.reranking.bounds import Bounds
from reid_srdl.reranking.neighbours import Neighbours
from reid_srdl.retrieval.counting.frame import squared_norms


def by_hand(x: NDArray[np.float32], k: int) -> tuple[NDArray[np.float64], list[list[int]]]:
    d = ((x[:, None].astype(np.float64) - x[None]) ** 2).sum(axis=2)
    order = [sorted(range(len(x)), key=lambda j: (j != i, d[i, j], j))[:k] for i in range(len(x))]
    return d, order


def find_neighbours(x: NDArray[np.float32], k: int, *progress: Any) -> Neighbours:
    return neighbours.find_neighbours(x, squared_norms(x), k, *progress)


def clusters(seed: int, faint: float, count: int = 400, dim: int = 96) -> NDArray[np.float32]:
    """Points around centres of 6 dimensions, in 96, with noise in all of them."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((dim, 6)))[0].T
    point = rng.standard_normal((30, 6))[rng.integers(0, 30, count)] * 3
    point += rng.standard_normal((count, 6))
    x = point @ basis + faint * rng.standard_normal((count, dim))
    return x.astype(np.float32)


@pytest.mark.parametrize("faint", [0.0, 0.05, 1.0, 30.0])
@pytest.mark.parametrize("dims", [(), (4,), (8, 16)])
@pytest.mark.parametrize("k", [1, 9, 30])
def test_all_distances_agree(
    faint: float, dims: tuple[int, ...], k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_DIMS", dims)
    monkeypatch.setattr(neighbours, "_BLOCK", 7000)
    monkeypatch.setattr(neighbours, "_GROUP", 4)
    monkeypatch.setattr(bounds, "_PAIR", 0)  # so that the fewest dimensions are chosen
    x = clusters(0, faint)
    d, order = by_hand(x, k)
    found = find_neighbours(x, k)
    assert found.near.tolist() == order
    assert found.largest == pytest.approx(d.max(axis=1), rel=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e4])
@pytest.mark.parametrize("m", [8, None])
def test_bounds_hold_and_exclude(m: int | None, scale: float) -> None:
    x = clusters(1, 0.05) * np.float32(scale)
    x[:5] *= 50  # rows far off
    x[5] = x[6]  # a distance of 0
    squares = squared_norms(x)
    bound = Bounds(x, squares, None if m is None else bounds.directions(x, m))
    d, _ = by_hand(x, 1)
    lower = bound.lower(0, len(x)).astype(np.float64)
    upper = lower + 4.0 * bound.rho[:, None] * bound.rho
    slack = bound.slack[:, None]
    assert (lower <= d + slack).all()
    assert (upper >= d - slack).all()
    assert np.median(upper - lower) < 0.2 * np.median(d)  # they say something
    kth = np.partition(d, 8, axis=1)[:, 8:9] + 1e-5 * d
    assert np.count_nonzero(lower <= kth) < 30 * len(x)  # of 400 for each row


def test_duplicates_come_by_position_after_the_row_itself() -> None:
    x = np.repeat(clusters(2, 0.1, count=40), 3, axis=0)
    found = find_neighbours(x, 3)
    for row, near in enumerate(found.near.tolist()):
        first = row // 3 * 3
        assert near == [row, *(j for j in range(first, first + 3) if j != row)]


def test_all_alike() -> None:
    found = find_neighbours(np.ones((50, 8), np.float32), 4)
    assert found.near[:, 0].tolist() == list(range(50))
    assert found.near[10].tolist() == [10, 0, 1, 2]
    assert set(found.largest.tolist()) == {1.0}


def test_progress_reaches_the_end() -> None:
    told: list[tuple[int, int]] = []
    find_neighbours(clusters(3, 0.1), 5, lambda *done: told.append(done))
    assert told[-1] == (400, 400)


def test_pair_distances() -> None:
    x = clusters(4, 1.0)
    rows, columns = np.array([3, 3, 0, 399]), np.array([3, 9, 1, 0])
    expected = ((x[rows].astype(np.float64) - x[columns]) ** 2).sum(axis=1)
    found = pair_distances(x, rows, columns.astype(np.int32))
    assert (abs(found - expected) <= pair_error(x.shape[1]) * expected).all()
    assert pair_distances(x, rows[:0], columns[:0]).shape == (0,)
