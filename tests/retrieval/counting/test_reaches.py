"""Gallery rows of like errors share edges, and a few bad ones do not widen the windows of all."""

from __future__ import annotations

import numpy as np
import pytest

from reid_srdl.retrieval.counting.frame import frame_for
from reid_srdl.retrieval.counting.kernels.forecast import Problem
from reid_srdl.retrieval.counting.kernels.kernel import Kernel, Loaded
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel
from reid_srdl.retrieval.counting.levels import grouped, levels
from reid_srdl.retrieval.counting.matches import find_targets
from reid_srdl.retrieval.counting.reaches import Reaches
from reid_srdl.retrieval.protocol import PidIndex
from reid_srdl.retrieval.rows import rows_of
from tests.retrieval.brute import random_features


@pytest.mark.parametrize("worst", [1.0, 3.0, 1e4, np.inf])
@pytest.mark.parametrize("count", [5, 300])
def test_groups_hold_each_row_once_and_bad_ones_apart(worst: float, count: int) -> None:
    errors = np.abs(np.random.default_rng(0).standard_normal(count)) + 0.5
    errors[3] *= worst
    for values in (errors, np.zeros(count), np.arange(count) ** 3.0):
        usual = float(np.median(values))
        level = levels(values, usual, 1.5)
        assert (level[values <= 1.5 * usual] == 0).all()
        order, groups = grouped(level)
        assert sorted(order.tolist()) == list(range(count))
        assert [columns.start for _, columns in groups] == [0, *(c.stop for _, c in groups[:-1])]
        assert groups[-1][1].stop == count
        for height, columns in groups:
            own = level[order[columns]]
            assert own.max() == height
            assert len(own) >= 16 or columns.stop == count
    assert np.array_equal(grouped(np.zeros(9, np.int64))[0], np.arange(9))


def _reaches(kernel: Kernel, sizes: int) -> Reaches:
    features = random_features(np.random.default_rng(9), gallery=200, dim=6)
    queries, gallery = rows_of(features.query.features), rows_of(features.gallery.features)
    same = PidIndex(features.gallery.labels).same_pid(features.query.labels)
    targets = find_targets(queries, gallery, same)
    problem = Problem(frame_for(queries, gallery), queries, gallery, targets)
    return Reaches(kernel, Loaded((), np.ones((len(queries), sizes))), problem)


class _Plain(NumpyKernel):
    """Its error is the gallery row's size."""

    def error(self, dim: int, sizes: np.ndarray, most: np.ndarray) -> np.ndarray:
        error: np.ndarray = sizes[:, 0] * most[0]
        return error


def test_edges_serve_rows_of_like_sizes() -> None:
    reaches = _reaches(_Plain(), 1)
    first = reaches.edges(0, np.array([1.0]))
    assert reaches.edges(0, np.array([1.03])) is first
    assert reaches.edges(0, np.array([0.95])) is first
    wider = reaches.edges(0, np.array([1.2]))
    assert wider is not first  # longer rows need wider windows,
    assert reaches.edges(0, np.array([1.0])) is first  # and others keep theirs
    assert not first.retired
    assert (wider.far >= first.far).all()
    assert (wider.far > first.far).any()


def test_bad_rows_share_edges_that_grow() -> None:
    reaches = _reaches(_Plain(), 1)
    first = reaches.edges(1, np.array([3.0]))
    assert reaches.edges(2, np.array([2.1])) is first
    wider = reaches.edges(1, np.array([5.0]))
    assert reaches.edges(1, np.array([3.0])) is wider
    assert first.retired
    assert not wider.retired
    assert reaches.edges(4, np.array([50.0])) is not wider
    assert reaches.edges(0, np.array([3.0])) is not wider  # usual ones have their own


def test_levels_are_of_rows_among_each_other() -> None:
    reaches = _reaches(_Plain(), 1)
    for usual in (1e-3, 1.0, 1e3):
        sizes = np.array([0.5, 1.0, 1.0, 1.9, 3.9, 15.0])[:, None] * usual
        assert reaches.levels(sizes).tolist() == [0, 0, 0, 0, 1, 2]


class _Lopsided(NumpyKernel):
    """Its second size hardly matters."""

    def error(self, dim: int, sizes: np.ndarray, most: np.ndarray) -> np.ndarray:
        error: np.ndarray = sizes[:, 0] * most[0] + 0.01 * most[1]
        return error


def test_sizes_that_hardly_matter_get_ample_room() -> None:
    reaches = _reaches(_Lopsided(), 2)
    first = reaches.edges(1, np.array([3.0, 3.0]))
    assert reaches.edges(1, np.array([3.1, 3.7])) is first
    assert reaches.edges(1, np.array([3.3, 3.0])) is not first


def test_rows_without_any_error_are_of_one_level() -> None:
    reaches = _reaches(_Lopsided(), 2)
    assert reaches.levels(np.zeros((9, 2))).tolist() == [0] * 9
    edges = reaches.edges(0, np.zeros(2))
    assert reaches.edges(0, np.zeros(2)) is edges
    some = np.diff(edges.start) > 1  # queries that have matches
    assert some.any()
    assert np.isfinite(edges.far[some]).all()
