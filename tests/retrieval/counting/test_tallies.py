"""Places among edges: every kernel's tally counts as comparisons one by one do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reid_srdl.retrieval.counting import tallies
from reid_srdl.retrieval.counting.edges import Edges
from reid_srdl.retrieval.counting.kernels.kernel import Kernel
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel
from reid_srdl.retrieval.counting.kernels.on_torch import TorchKernel
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.rules import SamePid

KERNELS = {"numpy": NumpyKernel, "torch": lambda: TorchKernel("cpu")}
INF = np.float32(np.inf)


def _edges(rng: np.random.Generator, queries: int, kind: str) -> Edges:
    sizes = rng.integers(0, 9, queries)
    sizes[rng.integers(queries)] = 0
    query = np.repeat(np.arange(queries), sizes)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    values = rng.standard_normal(len(query))
    if kind == "ties":
        values = np.round(values)
    if kind == "outlier":  # all but the last edge share a cell of the grid
        values[offsets[1:][sizes > 0] - 1] = 1e6
    values = values[np.lexsort((values, query))]
    low = (values - 0.01).astype(np.float32)
    high = (values + 0.01).astype(np.float32)
    if kind == "open":
        low[offsets[:-1][sizes > 0]] = -np.inf
    none = np.empty(0, np.int64)
    same = SamePid(none, none, np.empty(0, np.bool_))
    zero = np.zeros(len(query))
    targets = Targets(same, offsets, query, none, values, zero, lambda _: zero)
    return Edges(targets, low, high)


@pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("kind", ["plain", "ties", "outlier", "open"])
@pytest.mark.parametrize("shift", [-1.0, 1.5])  # most estimates near, or most of them far
def test_counts_and_open_pairs_equal_comparisons(
    make: Any, kind: str, shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reid_srdl.retrieval.counting.kernels.kernel._TALLIED", 100)
    rng = np.random.default_rng(7)
    edges = _edges(rng, 12, kind)
    v = (rng.standard_normal((7, 40)) + shift).astype(np.float32)
    own = edges.values[~np.isnan(edges.values)]
    v[rng.integers(0, 7, 60), rng.integers(0, 40, 60)] = rng.choice(own, 60)  # on the edges
    v[0, :3] = INF
    v[1, :2] = 0.0, -0.0
    first, kernel = 3, make()
    counts = np.zeros(len(edges.values), np.int64)
    open_ = set()
    loaded = v.copy() if kernel.name == "numpy" else kernel._there(v.copy())
    for top, found in kernel.tallies(edges, first, loaded):
        low = 2 * edges.start[top]
        counts[low : low + len(found.counts)] += found.counts
        pairs = found.query + top - first, found.column, found.window
        open_ |= set(zip(*(side.tolist() for side in pairs), strict=True))
        assert np.array_equal(found.value, v[found.query + top - first, found.column])
    expected, inside = np.zeros_like(counts), set()
    for row in range(7):
        start, stop = (2 * edges.start[first + row : first + row + 2]).tolist()
        for column, value in enumerate(v[row].tolist()):
            if value < edges.far[first + row]:
                place = start + sum(edge <= value for edge in edges.values[start : stop - 2])
                expected[place] += 1
                if place % 2:
                    inside.add((row, column, place // 2))
    # What is farther than all matches may be counted at the end of a query's list, or nowhere.
    ends = 2 * edges.start[1:] - 2
    counts[ends] = expected[ends] = 0
    assert counts.tolist() == expected.tolist()
    assert open_ == inside


def test_few_and_many_estimates_are_placed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    edges = _edges(rng, 9, "plain")
    v = rng.standard_normal((9, 30)).astype(np.float32)
    found = []
    for many in (0.0, 2.0):
        monkeypatch.setattr(tallies, "_MANY", many)
        tally = tallies.tally(edges, 0, v.copy())
        assert tally is not None
        tally.counts[2 * edges.start[1:] - 2] = 0
        found.append(tally)
    one, other = found
    assert one.counts.tolist() == other.counts.tolist()
    assert one.counts.sum() > 0
    for side in ("query", "column", "window", "value"):
        assert getattr(one, side).tolist() == getattr(other, side).tolist()


def test_far_blocks_tell_nothing() -> None:
    edges = _edges(np.random.default_rng(9), 5, "plain")
    far: Kernel
    for far in (NumpyKernel(), TorchKernel("cpu")):
        v = np.full((5, 4), 1e9, np.float32)
        assert list(far.tallies(edges, 0, v if far.name == "numpy" else far._there(v))) == []
