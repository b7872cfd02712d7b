"""Edges, keys and parts: what lets blocks be counted at once and side by side."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

from reid_srdl.retrieval.arithmetic import parallel
from reid_srdl.retrieval.arithmetic.parallel import each, parts
from reid_srdl.retrieval.counting.count import CountEngine
from reid_srdl.retrieval.counting.edges import keys_of
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel
from tests.retrieval.brute import random_features
from tests.retrieval.test_ranks import expected, ranks_by


def test_keys_order_as_rows_and_then_values() -> None:
    tiny, huge = np.float32(1e-45), np.finfo(np.float32).max
    values = np.float32([-np.inf, -huge, -2, -1, -tiny, 0, tiny, 1, 2, huge, np.inf])
    pairs = list(itertools.product(range(3), values.tolist()))
    keys = keys_of(np.array([row for row, _ in pairs]), np.float32([value for _, value in pairs]))
    assert (np.diff(keys) > 0).all()
    zeros = keys_of(np.array([1, 1]), np.float32([0.0, -0.0]))
    assert zeros[0] == zeros[1]


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 511, 512, 1025, 19732])
def test_parts_cover_all_rows_once(count: int, workers: int) -> None:
    cut = parts(count, 512, workers)
    rows = [row for part in cut for row in range(*part)]
    assert rows == list(range(count))
    assert all(0 < stop - start <= 512 for start, stop in cut)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_ranks_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(parallel, "threads", lambda: workers)
    monkeypatch.setattr("reid_srdl.retrieval.counting.count.threads", lambda: workers)
    for values in (None, np.arange(3, dtype=np.float32)):
        features = random_features(
            np.random.default_rng(5), queries=30, gallery=120, dim=5, values=values
        )
        engine = CountEngine(kernel=NumpyKernel(), query_rows=7, gallery_rows=11)
        assert ranks_by(engine, features) == expected(features)


def test_what_fails_in_a_thread_is_raised_and_ends_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parallel, "threads", lambda: 2)
    before, done = parallel._blas().info(), []

    def work(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        done.append(item)
        return item

    with pytest.raises(ValueError, match="three"):
        list(each(work, range(10_000)))
    assert len(done) < 10_000
    assert parallel._blas().info() == before


def test_work_within_work_stays_on_its_thread() -> None:
    def inner(item: int) -> tuple[int, int]:
        return item, threading.get_ident()

    def outer(item: int) -> tuple[int, list[tuple[int, int]]]:
        return threading.get_ident(), list(each(inner, range(item, item + 3)))

    for item, (thread, found) in enumerate(each(outer, range(20))):
        assert found == [(number, thread) for number in range(item, item + 3)]
