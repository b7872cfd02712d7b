"""Kernels keep their word: their values lie within the errors that they declare."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reid_srdl.by_faiss.index import FlatIndex
from reid_srdl.retrieval.arithmetic.exact import pair_distances
from reid_srdl.retrieval.arithmetic.rounding import gamma
from reid_srdl.retrieval.counting.count import CountEngine
from reid_srdl.retrieval.counting.frame import Frame, frame_for, squared_norms
from reid_srdl.retrieval.counting.kernels.kernel import Kernel, Loaded
from reid_srdl.retrieval.counting.kernels.on_integers import IntegerKernel
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel
from reid_srdl.retrieval.counting.kernels.on_torch import TorchKernel
from reid_srdl.retrieval.counting.kernels.split import Split
from reid_srdl.retrieval.counting.reaches import Reaches
from reid_srdl.retrieval.counting.windows import Reach, limits
from reid_srdl.retrieval.rows import rows_of
from tests.retrieval.brute import random_features, true_distance
from tests.retrieval.engines import finest
from tests.retrieval.test_ranks import expected, ranks_by


def _integers(dim: int, leading: int) -> IntegerKernel:
    """Directions of their own, far from the rows' and not quite orthonormal: any serve."""
    rng = np.random.default_rng(leading)
    return IntegerKernel(Split(rng.standard_normal((dim, leading)).astype(np.float32) / dim**0.5))


KERNELS: dict[str, Callable[[int], Kernel]] = {
    "numpy": lambda _: NumpyKernel(),
    "torch": lambda _: TorchKernel("cpu"),
    "numpy finest": lambda _: finest(NumpyKernel()),
    "torch finest": lambda _: finest(TorchKernel("cpu")),
    "integers": lambda dim: _integers(dim, 8),
    "integers undirected": lambda dim: _integers(dim, 0),
}
every_kernel = pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS)


def _placed(dim: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(dim)
    scale = 10.0 ** rng.integers(-3, 3, dim)
    return tuple((rng.standard_normal((n, dim)) * scale).astype(np.float32) for n in (4, 30))


@every_kernel
@pytest.mark.parametrize("dim", [1, 7, 256, 300, 2048])
def test_values_lie_within_the_declared_error(make: Any, dim: int) -> None:
    kernel: Kernel = make(dim)
    q, g = _placed(dim)
    q_squares, g_squares = squared_norms(q), squared_norms(g)
    queries, gallery = kernel.load_queries(q.copy(), q_squares), kernel.load_gallery(g, g_squares)
    truth = [[true_distance(a, b) for b in g] for a in q]
    error = kernel.error(dim, queries.sizes, gallery.sizes.max(axis=0))
    v = np.asarray(kernel.block(queries, gallery))
    for i, row in enumerate(truth):
        for j, distance in enumerate(row):
            off = float(Fraction(float(v[i, j])) + Fraction(float(q_squares[i])) - distance)
            assert abs(off) <= error[i]
            own = kernel.error(dim, queries.sizes[i : i + 1], gallery.sizes[j : j + 1].T)
            assert abs(off) <= own[0] <= error[i]
            norms = queries.sizes[i : i + 1, 0], gallery.sizes[j : j + 1, 0]
            reach = Reach(dim, 1.0, *norms, q_squares[i : i + 1], own)
            least, most = limits(v[i, j : j + 1], reach)
            assert least[0] <= pair_distances(q[i : i + 1], g[j : j + 1])[0] <= most[0]
            assert most[0] - least[0] <= 2.1 * own[0] + 1e-6 * float(distance)
    if kernel.name != "integers":  # theirs depends on the directions
        assert (error < 1e-3 * (np.sqrt(q_squares) + np.sqrt(g_squares.max())) ** 2).all()


@pytest.mark.parametrize("dim", [1, 300])
def test_index_answers_lie_within_the_declared_error(dim: int) -> None:
    q, g = _placed(dim)
    frame = Frame(1.0, np.zeros(dim, np.float32))
    index = FlatIndex(frame, rows_of(g))
    z = np.float32([0, 1, 20, 300])
    error = index.error(np.sqrt(squared_norms(q) + z.astype(np.float64) ** 2))
    distances, positions = index.nearest(q, z, len(g))
    for i in range(len(q)):
        assert sorted(positions[i]) == list(range(len(g)))
        for value, j in zip(distances[i], positions[i], strict=True):
            truth = true_distance(q[i], g[j]) + Fraction(float(z[i])) ** 2
            assert abs(float(Fraction(float(value)) - truth)) <= error[i]


class _WorstKernel(NumpyKernel):
    """Returns the truth plus or minus as much as it declares, for each pair another error."""

    def __init__(self, relative: float, seed: int) -> None:
        super().__init__()
        self._relative, self._random = relative, np.random.default_rng(seed)

    def error(self, dim: int, sizes: np.ndarray, most: np.ndarray) -> np.ndarray:
        error: np.ndarray = self._relative * (sizes[:, 0] + most[0])
        return error

    def block(self, queries: Loaded, gallery: Loaded) -> np.ndarray:
        (q,), (p, squares) = queries.parts, gallery.parts
        v = q.astype(np.float64) @ p.T.astype(np.float64) + squares
        signs = self._random.choice([-0.999, 0.999], v.shape)
        error = self._relative * (queries.sizes + gallery.sizes[:, 0])
        return (v + error * signs).astype(np.float32)


@pytest.mark.parametrize("relative", [1e-3, 0.1, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_ranks_survive_the_worst_that_a_kernel_may_return(relative: float, seed: int) -> None:
    features = random_features(np.random.default_rng(seed), dim=5)
    engine = CountEngine(kernel=_WorstKernel(relative, seed), gallery_rows=9)
    assert ranks_by(engine, features) == expected(features)


@pytest.mark.parametrize("factor", [1.0, 2.0**30, 2.0**-40])
def test_the_frame_obeys_its_bound(factor: float) -> None:
    rng = np.random.default_rng(0)
    raw = ((rng.standard_normal((50, 20)) * 1e-3 + 300) * factor).astype(np.float32)
    frame = frame_for(rows_of(raw), rows_of(raw))
    assert (frame.scale == 1.0) == (factor == 1.0)
    placed = frame.place(raw).astype(np.float64)
    centre = frame.scaled_centre.astype(np.float64)
    true = raw.astype(np.float64) * frame.scale - centre
    assert (np.abs(placed - true) <= 2.0**-24 * np.abs(placed) + 2.0**-148).all()
    # The shift is gone: what is left is as small as the spread.
    assert np.abs(placed).max() < 1e-4 * np.abs(raw).max() * frame.scale


def test_gamma_refuses_what_it_cannot_bound() -> None:
    assert gamma(256) == pytest.approx(256 * 2.0**-24, rel=1e-4)
    with pytest.raises(ValueError, match="no float32 bound"):
        gamma(1 << 24)


def test_torch_precision_is_left_as_it_was() -> None:
    import torch

    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        kernel = TorchKernel("cpu")
        q, g = _placed(600)
        values = kernel.block(
            kernel.load_queries(q.copy(), squared_norms(q)),
            kernel.load_gallery(g, squared_norms(g)),
        )
        assert torch.get_float32_matmul_precision() == "medium"
        wide = squared_norms(g) - 2 * q.astype(np.float64) @ g.T.astype(np.float64)
        assert np.abs(values.numpy() - wide).max() < 1e-5 * np.abs(wide).max()
    finally:
        torch.set_float32_matmul_precision(before)


def test_long_rows_cost_their_block_no_closer_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    features = random_features(rng, queries=30, gallery=300, dim=64)
    inside, _ = _in_windows(features, monkeypatch)
    features.gallery.features[::37] *= np.float32(1e4)
    inside_too, left_too = _in_windows(features, monkeypatch)
    assert inside_too > 10 * inside  # they widen the windows of all rows beside them,
    assert left_too < inside_too / 10  # whose own bounds decide most of those pairs


def _in_windows(features: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Returns how many pairs lie in windows, and how many of them their own bounds leave open."""
    found, limits_of = [], Reaches.limits

    def counted(self: Reaches, query: np.ndarray, *rest: Any) -> Any:
        found.append(len(query))
        return limits_of(self, query, *rest)

    engine = CountEngine(kernel=NumpyKernel())
    with monkeypatch.context() as patch:
        patch.setattr(Reaches, "limits", counted)
        assert ranks_by(engine, features) == expected(features)
    assert sum(found) > engine.left_open >= engine.undecided
    return sum(found), engine.left_open


@pytest.mark.parametrize("make", KERNELS.values(), ids=KERNELS)
def test_a_finer_kernel_takes_over_in_the_middle(make: Any) -> None:
    features = random_features(np.random.default_rng(6), gallery=90, values=np.float32([0, 1]))
    kernel = make(features.query.features.shape[1])
    kernel.bearable = 0.0
    engine = CountEngine(kernel=kernel, query_rows=5, gallery_rows=7)
    assert ranks_by(engine, features) == expected(features)
