"""Ranks by estimates against ranks by all final distances, on near-ties; what images share."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from reid_srdl.reranking import ranked
from reid_srdl.reranking.encoding import encoded
from reid_srdl.reranking.jaccard import FinalDistances, Shared
from reid_srdl.reranking.neighbours import find_neighbours
from reid_srdl.reranking.ranked import reranked
from reid_srdl.retrieval.counting.frame import squared_norms
from reid_srdl.retrieval.labels import Labels

QUERIES, GALLERY = 30, 300


def near_ties(seed: int) -> NDArray[np.float32]:
    """Queries and gallery around a few points, most of them within float32's reach of another."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((12, 48)) + 0.5
    x = points[rng.integers(0, 12, QUERIES + GALLERY)]
    x += rng.choice([0, 1e-7, 1e-6, 1e-3, 1], (len(x), 1)) * rng.standard_normal(x.shape)
    x[QUERIES : QUERIES + 40] = x[QUERIES + 40 : QUERIES + 80]  # duplicates
    return x.astype(np.float32)


def labels(seed: int, count: int) -> Labels:
    rng = np.random.default_rng(seed)
    return Labels(rng.integers(0, 6, count), rng.integers(1, 3, count))


def prepared(x: NDArray[np.float32], lambda_: float) -> tuple[FinalDistances, Shared]:
    squares = squared_norms(x)
    found = find_neighbours(x, squares, 9)
    shared = Shared(encoded(x, found, 8, 3), QUERIES)
    return FinalDistances(x, squares, found.largest, QUERIES, lambda_), shared


def all_finals(final: FinalDistances, shared: Shared) -> NDArray[np.float64]:
    query, gallery = np.divmod(np.arange(QUERIES * GALLERY), GALLERY)
    m = shared.of(np.arange(QUERIES)).of(query, gallery)
    return final.pairs(query, gallery, m).reshape(QUERIES, GALLERY)


@pytest.mark.parametrize("lambda_", [0.0, 1e-60, 1e-9, 1e-4, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("run", [7, 256])
def test_ranks_are_those_of_all_final_distances(
    lambda_: float, run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranked, "_QUERIES", run)
    queries, gallery = labels(1, QUERIES), labels(2, GALLERY)
    final, shared = prepared(near_ties(0), lambda_)
    (found,) = reranked(final, shared, queries, gallery)
    for query, row in enumerate(all_finals(final, shared)):
        same = gallery.pids == queries.pids[query]
        match = same & (gallery.camids != queries.camids[query])
        row[same & ~match] = np.inf
        order = np.lexsort((np.arange(GALLERY), row))
        own = slice(*found.offsets[query : query + 2])
        assert found.ranks[own].tolist() == (1 + np.flatnonzero(match[order])).tolist()


@pytest.mark.parametrize("lambda_", [1e-9, 1e-4, 0.3, 0.9, 1.0])
def test_estimates_decide_outside_of_windows_and_not_without(lambda_: float) -> None:
    final, shared = prepared(near_ties(3), lambda_)
    queries = np.arange(QUERIES)
    pairs = shared.of(queries)
    out = np.empty((QUERIES, GALLERY), np.float32)
    estimates = final.estimates(queries, pairs.row, pairs.column, pairs.m, out)
    wrong = inside = 0
    for query, finals in enumerate(all_finals(final, shared)):
        low, high = final.windows(np.full(GALLERY, query), finals)
        below, above = estimates[query] < low[:, None], estimates[query] > high[:, None]
        assert (finals < finals[:, None])[below].all()
        assert (finals > finals[:, None])[above].all()
        inside += np.count_nonzero(~below & ~above)
        closer = estimates[query] < estimates[query][:, None]
        wrong += np.count_nonzero(closer & (finals >= finals[:, None]))
    assert wrong  # the estimates alone are not enough
    assert inside < 0.3 * QUERIES * GALLERY**2


def test_nobody_has_a_match() -> None:
    final, shared = prepared(near_ties(4), 0.3)
    nobody = Labels(np.full(QUERIES, 99), np.ones(QUERIES, np.int64))
    assert list(reranked(final, shared, nobody, labels(5, GALLERY))) == []


def test_what_images_share() -> None:
    v = sparse.random_array((50, 50), density=0.2, rng=np.random.default_rng(5), format="csr")
    pairs = Shared(v, 10).of(np.array([2, 3, 9]))
    dense = v.toarray()
    expected = np.minimum(dense[[2, 3, 9], None], dense[None, 10:]).sum(axis=2)
    row, column = np.divmod(np.arange(3 * 40), 40)
    assert pairs.of(row, column).reshape(3, 40) == pytest.approx(expected)
    assert len(pairs.m) == np.count_nonzero(expected) < expected.size
    assert pairs.positions(row, column).tolist() == list(range(len(pairs.m)))
    nothing = Shared(sparse.csr_array((50, 50)), 10).of(np.array([0]))
    assert nothing.of(row[:1], column[:1]).tolist() == [0.0]
