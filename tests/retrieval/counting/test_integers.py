"""Integer products, the split that they need, and when they are chosen."""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import hadamard

from reid_srdl.errors import UserError
from reid_srdl.retrieval.counting.frame import frame_for, squared_norms
from reid_srdl.retrieval.counting.kernels import choice, integer_product
from reid_srdl.retrieval.counting.kernels.choice import Share, choose, divided
from reid_srdl.retrieval.counting.kernels.forecast import Forecast, Problem
from reid_srdl.retrieval.counting.kernels.on_integers import IntegerKernel
from reid_srdl.retrieval.counting.kernels.split import Split, leading_directions
from reid_srdl.retrieval.counting.matches import find_targets
from reid_srdl.retrieval.counting.shard import ShardCount
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.rows import rows_of
from reid_srdl.retrieval.rules import PidIndex
from tests.retrieval.engines import split_of

exact_here = pytest.mark.skipif(
    not integer_product.is_exact(), reason="products of integers saturate on this processor"
)
TOOLS = Path(__file__).resolve().parents[3] / "tools"


def _low_rank(
    rng: np.random.Generator, rows: int, dim: int, rank: int, faint: float = 0.01
) -> np.ndarray:
    basis = np.linalg.qr(rng.standard_normal((dim, rank)))[0].T
    x = rng.standard_normal((rows, rank)) @ basis + faint * rng.standard_normal((rows, dim))
    return x.astype(np.float32)


# Products --------------------------------------------------------------------------------------


@exact_here
@pytest.mark.parametrize("dim", [1, 5, 64, 777])
def test_products_equal_those_of_python_integers(dim: int) -> None:
    rng = np.random.default_rng(dim)
    q, g = rng.integers(-127, 128, (9, dim)), rng.integers(-127, 128, (dim, 11))
    q[0], g[:, 0], g[:, 1] = 127, 127, -127
    scale = np.float32(2.0) ** np.arange(11, dtype=np.float32)
    found = integer_product.integer_product((q + 128).astype(np.uint8), g.astype(np.int8), scale)
    expected = (q.astype(object) @ g.astype(object)).astype(np.float64).astype(np.float32) * scale
    assert found.dtype == np.float32
    assert found.tolist() == expected.tolist()


def test_products_that_saturate_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def saturated(q: np.ndarray, g: np.ndarray, scale: np.ndarray) -> np.ndarray:
        # As processors do that add two products in 16 bits.
        pairs = q[:, :, None].astype(np.int64) * g[None].astype(np.int64)
        sums = np.clip(pairs[:, 0::2] + pairs[:, 1::2], -(2**15), 2**15 - 1).sum(axis=1)
        return (sums - 128 * g.astype(np.int64).sum(axis=0)).astype(np.float32)

    integer_product.is_exact.cache_clear()
    try:
        monkeypatch.setattr(integer_product, "integer_product", saturated)
        assert not integer_product.is_exact()
    finally:
        integer_product.is_exact.cache_clear()


def test_the_operator_is_what_its_tool_writes() -> None:
    spec = importlib.util.spec_from_file_location("made", TOOLS / "make_integer_product.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    file = Path(integer_product.__file__).with_suffix(".onnx")
    assert file.read_bytes() == tool.model()


# Splits ----------------------------------------------------------------------------------------


def _exact(x: np.ndarray) -> list[Fraction]:
    return [Fraction(float(value)) for value in x]


def _dot(a: list[Fraction], b: list[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


@pytest.mark.parametrize("leading", [0, 1, 4])
@pytest.mark.parametrize("kind", ["principal", "any", "skew", "long"])
@pytest.mark.parametrize("dim", [24, 32])  # sixteens are mixed
def test_estimates_lie_within_the_declared_error(leading: int, kind: str, dim: int) -> None:
    rng = np.random.default_rng(leading)
    p = _low_rank(rng, 12, dim, 4) * np.float32(3.0)
    p[3], p[4] = 0, 1e-20
    directions = {
        "principal": leading_directions(p, leading),
        "any": np.linalg.qr(rng.standard_normal((dim, dim)))[0][:, :leading].astype(np.float32),
        "skew": rng.standard_normal((dim, leading)).astype(np.float32) / 5,
        "long": rng.standard_normal((dim, leading)).astype(np.float32) * 50,
    }[kind]
    split = Split(directions)
    pieces = split.pieces(p, squared_norms(p))
    error = split.error(pieces.sizes, pieces.sizes.max(axis=0))
    for i in range(len(p)):
        for j in range(len(p)):
            integers = int(pieces.integers[i].astype(int) @ pieces.integers[j].astype(int))
            scales = Fraction(float(pieces.scale[i])) * Fraction(float(pieces.scale[j]))
            estimate = _dot(_exact(pieces.lead[i]), _exact(pieces.lead[j])) + scales * integers
            assert abs(float(_dot(_exact(p[i]), _exact(p[j])) - estimate)) <= error[i]
    if kind == "principal" and leading == 4:
        assert error.max() < 1e-3 * np.linalg.norm(p, axis=1).max() ** 2


@pytest.mark.parametrize("dim", [300, 320])
def test_sizes_bound_what_the_pieces_leave(dim: int) -> None:
    rng = np.random.default_rng(2)
    p = _low_rank(rng, 40, dim, 8)
    split = Split(leading_directions(p, 8))
    pieces = split.pieces(p, squared_norms(p))
    wide = split._directions.astype(np.float64)
    rest = p.astype(np.float64) - pieces.lead.astype(np.float64) @ wide.T
    mixed = rest
    if dim % 16 == 0:
        mixed = np.einsum("ij,njd->nid", hadamard(16) / 4, rest.reshape(40, 16, -1)).reshape(40, -1)
    lost = mixed - pieces.scale[:, None].astype(np.float64) * pieces.integers
    true = [np.linalg.norm(x, axis=1) for x in (p.astype(np.float64), pieces.lead, rest, lost)]
    for size, length in zip(pieces.sizes.T, true, strict=True):
        assert (length <= size * (1 + 1e-12)).all()
        assert (size < 1.1 * length + 1e-6).all()
    assert np.abs(pieces.integers).max() == 127


def test_mixing_makes_heavy_tails_cost_less() -> None:
    rng = np.random.default_rng(6)
    lost = []
    for dim in (512, 513):  # sixteens, and none
        p = rng.standard_normal((30, dim)).astype(np.float32)
        p[:, ::100] *= 6
        split = Split(np.empty((dim, 0), np.float32))
        lost.append(split.pieces(p, squared_norms(p)).sizes[:, 3].mean())
    assert lost[0] < 0.7 * lost[1]


def test_directions_are_principal_and_orthonormal() -> None:
    rng = np.random.default_rng(3)
    p = _low_rank(rng, 60, 200, 5)
    found = leading_directions(p, 5)
    true = np.linalg.svd(p.astype(np.float64), full_matrices=False)[2][:5]
    assert np.abs(np.abs(true @ found) - np.eye(5)).max() < 1e-4
    assert Split(found).delta < 1e-5
    assert Split(found).first(2).leading == 2
    # No more directions than the rows have.
    assert leading_directions(np.repeat(p[:2], 9, axis=0), 7).shape == (200, 2)
    assert leading_directions(np.zeros((4, 6), np.float32), 3).shape == (6, 0)


# The choice ------------------------------------------------------------------------------------


def _problem(queries: int = 60, gallery: int = 900, dim: int = 128, rank: int = 4) -> Problem:
    rng = np.random.default_rng(4)
    pids = rng.integers(1, 30, queries + gallery)
    basis = np.linalg.qr(rng.standard_normal((dim, rank)))[0].T
    centres = rng.standard_normal((31, rank))
    x = (centres[pids] + 0.5 * rng.standard_normal((len(pids), rank))) @ basis
    x += 0.002 * rng.standard_normal(x.shape)
    cameras = rng.integers(0, 3, len(pids))
    sets = [
        FeatureSet(x[part].astype(np.float32), pids[part], cameras[part])
        for part in (slice(queries), slice(queries, None))
    ]
    features = Features(*sets)
    rows = [rows_of(side.features) for side in (features.query, features.gallery)]
    same = PidIndex(features.gallery.labels).same_pid(features.query.labels)
    return Problem(frame_for(*rows), *rows, find_targets(*rows, same))


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Problem:
    monkeypatch.setattr(choice, "_SAMPLED_WORK", 0)
    monkeypatch.setattr(choice, "is_exact", lambda: True)
    return _problem(3000, 900, 256)  # with many queries, splitting the gallery weighs little


def test_integers_are_chosen_where_few_pairs_stay_open(large: Problem) -> None:
    kernel = choose(large, 10**5)
    assert kernel.name == "integers"
    assert kernel.split.leading == 8  # enough for what 4 dimensions span


def test_float32_is_chosen_where_many_pairs_would_stay_open(
    large: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Forecast, "open_shares", lambda *_: np.full(3000, 0.2))
    assert choose(large, 10**5).name == "numpy"


def test_float32_is_chosen_where_integers_are_not_exact(
    large: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "is_exact", lambda: False)
    assert choose(large, 10**5).name == "numpy"


def test_the_forecast_is_near_what_happens(large: Problem) -> None:
    kernel = IntegerKernel(split_of(large, 1))
    forecast = large.forecast.open_shares(kernel)
    happened = []
    for part in np.array_split(np.argsort(forecast), 3):
        counting = ShardCount(kernel, large.select(np.sort(part))[0])
        counting.add(0, len(large.images), len(part))
        counting.finish()
        happened.append(counting.left_open / (len(large.images) * len(part)))
    assert 0.001 < happened[0] < 0.5 * happened[2] < 0.25  # it tells queries apart
    assert forecast.mean() == pytest.approx(np.mean(happened), rel=0.3)


def test_hard_queries_are_left_to_float32(large: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = choose(large, 10**5)
    assert divided(large, kernel) == [Share(kernel)]
    shares = np.where(np.arange(3000) % 5 == 0, 0.3, 1e-4)
    monkeypatch.setattr(Forecast, "open_shares", lambda *_: shares)
    easy, hard = divided(large, kernel)
    assert (easy.kernel, hard.kernel.name) == (kernel, "numpy")
    assert np.array_equal(hard.queries, np.arange(0, 3000, 5))
    assert np.array_equal(easy.queries, np.setdiff1d(np.arange(3000), hard.queries))
    monkeypatch.setattr(Forecast, "open_shares", lambda *_: np.ones(3000))
    [alone] = divided(large, kernel)
    assert (alone.kernel.name, alone.queries) == ("numpy", None)
    # A few hard ones are not worth a pass of their own.
    monkeypatch.setattr(
        Forecast, "open_shares", lambda *_: np.where(np.arange(3000) < 20, 0.02, 1e-4)
    )
    assert divided(large, kernel) == [Share(kernel)]


def test_small_problems_sample_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_integers", lambda *_: pytest.fail("sampled"))
    assert choose(_problem(), 1000).name == "numpy"


def test_an_unknown_device_is_an_error() -> None:
    with pytest.raises(UserError, match="nonsense"):
        choose(_problem(), 1, "nonsense")
