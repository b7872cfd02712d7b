"""Gallery rows of like errors share edges, and each pair has a bound of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from reid_srdl.retrieval.counting.frame import frame_for
from reid_srdl.retrieval.counting.kernels.forecast import Problem
from reid_srdl.retrieval.counting.kernels.kernel import Kernel, Loaded
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel
from reid_srdl.retrieval.counting.matches import find_targets
from reid_srdl.retrieval.counting.reaches import Reaches
from reid_srdl.retrieval.rows import rows_of
from reid_srdl.retrieval.rules import PidIndex
from tests.retrieval.brute import random_features


def _reaches(kernel: Kernel, sizes: Sequence[float]) -> Reaches:
    """Returns those of queries of these sizes; the first one's last size is ten times that."""
    features = random_features(np.random.default_rng(9), gallery=200, dim=6)
    queries, gallery = rows_of(features.query.features), rows_of(features.gallery.features)
    same = PidIndex(features.gallery.labels).same_pid(features.query.labels)
    targets = find_targets(queries, gallery, same)
    problem = Problem(frame_for(queries, gallery), queries, gallery, targets)
    own = np.tile(np.array(sizes), (len(queries), 1))
    own[0, -1] *= 10
    return Reaches(kernel, Loaded((), own), problem)


class _Plain(NumpyKernel):
    """Its error is the gallery row's size."""

    def error(self, dim: int, sizes: np.ndarray, most: np.ndarray) -> np.ndarray:
        error: np.ndarray = sizes[:, 0] * most[0]
        return error


def test_edges_serve_rows_of_like_errors() -> None:
    reaches = _reaches(_Plain(), [1.0])
    first = reaches.edges(np.array([0.95]))
    assert reaches.edges(np.array([0.99])) is first
    assert reaches.edges(np.array([0.85])) is first
    wider = reaches.edges(np.array([1.1]))
    assert wider is not first  # larger errors need wider windows,
    assert reaches.edges(np.array([0.95])) is first  # and others keep theirs
    assert (wider.far >= first.far).all()
    assert (wider.far > first.far).any()


class _Sum(NumpyKernel):
    """Its error has two parts, which weigh differently for different queries."""

    def error(self, dim: int, sizes: np.ndarray, most: np.ndarray) -> np.ndarray:
        error: np.ndarray = sizes[:, 0] * most[0] + sizes[:, 1] * most[1]
        return error


def test_edges_grow_where_they_are_too_narrow_for_some_query() -> None:
    reaches = _reaches(_Sum(), [1.0, 1.0])
    first = reaches.edges(np.array([3.0, 0.1]))
    wider = reaches.edges(np.array([0.1, 3.0]))  # the same but for the first query
    assert wider is not first
    assert reaches.edges(np.array([3.0, 0.1])) is wider
    assert wider.far[0] > first.far[0]


class _Constant(NumpyKernel):
    def error(self, dim: int, sizes: np.ndarray, most: np.ndarray) -> np.ndarray:
        return np.broadcast_to(1.0 + 0.0 * most[0], len(sizes))


def test_longer_rows_need_other_edges_even_if_their_errors_are_as_small() -> None:
    reaches = _reaches(_Constant(), [1.0])
    first = reaches.edges(np.array([3.0]))
    assert reaches.edges(np.array([5.9])) is first
    assert reaches.edges(np.array([6.1])) is not first


def test_rows_without_any_error_have_edges_too() -> None:
    reaches = _reaches(_Plain(), [1.0])
    edges = reaches.edges(np.zeros(1))
    assert reaches.edges(np.zeros(1)) is edges
    some = np.diff(edges.start) > 1  # queries that have matches
    assert some.any()
    assert np.isfinite(edges.far[some]).all()


def test_a_pair_is_bounded_by_its_own_error() -> None:
    reaches = _reaches(_Plain(), [1.0])
    query, values = np.array([1, 2, 3]), np.float32([5.0, 5.0, 5.0])
    least, most = reaches.limits(query, values, np.array([[0.1], [1.0], [4.0]]))
    # The kernel's offset is the squared norm, 1.
    assert least == pytest.approx([5.9, 5.0, 2.0], rel=1e-4)
    assert most == pytest.approx([6.1, 7.0, 10.0], rel=1e-4)
