"""Functions by other codes' names equal those codes' own."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from reid_srdl.compat import evaluate_rank
from reid_srdl.errors import UserError


def drawn(rng: np.random.Generator) -> tuple[Any, ...]:
    """A matrix without ties and its labels; -1 and 0 are identities as any other there."""
    queries, images, people = rng.integers(2, 30), rng.integers(60, 200), rng.integers(2, 20)
    q_pids, g_pids = (rng.integers(-1, people, count) for count in (queries, images))
    q_camids, g_camids = (rng.integers(0, 4, count) for count in (queries, images))
    # Every query has a match, and at least 20 images count for it.
    g_pids[:30], g_camids[:30] = 99, np.arange(30) % 4
    q_pids[0], q_camids[0] = 99, 0
    distances = rng.random((queries, images)).astype(rng.choice(["f4", "f8"]))
    return distances, q_pids, g_pids, q_camids, g_camids


def test_evaluate_rank_equals_torchreids() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Cython that is not there
        metrics = pytest.importorskip("torchreid.reid.metrics")
    rng = np.random.default_rng(0)
    for number in range(200):
        arrays, longest = drawn(rng), int(rng.integers(1, 21))
        ours, our_map = evaluate_rank(*arrays, max_rank=longest, use_cython=bool(number % 2))
        theirs, their_map = metrics.evaluate_rank(*arrays, max_rank=longest, use_cython=False)
        assert (type(ours), ours.dtype, ours.shape) == (type(theirs), theirs.dtype, theirs.shape)
        assert type(our_map) is type(their_map)
        assert np.abs(ours - theirs).max() < 1e-6
        assert abs(our_map - their_map) < 1e-6


def test_a_gallery_shorter_than_max_rank() -> None:
    metrics = pytest.importorskip("torchreid.reid.metrics")
    arrays = (
        np.array([[0.3, 0.1, 0.2, 0.4]]),
        *map(np.array, ([1], [1, 1, 2, 1], [1], [1, 2, 1, 3])),
    )
    ours, theirs = (f(*arrays) for f in (evaluate_rank, metrics.evaluate_rank))
    assert ours[0].tolist() == theirs[0].tolist()
    assert ours[1] == pytest.approx(theirs[1])
    ragged = (
        np.array([[0.1, 0.3, 0.2], [0.1, 0.2, 0.3]]),
        *map(np.array, ([1, 2], [1, 1, 2], [1, 2], [1, 2, 1])),
    )
    with pytest.raises(ValueError, match="inhomogeneous"):
        metrics.evaluate_rank(*ragged)
    assert evaluate_rank(*ragged)[0].tolist() == [0, 0.5, 1]


def test_names_and_whole_numbers_serve_too() -> None:
    cmc, mean = evaluate_rank([[2, 1, 3]], ["a"], ["a", "b", "a"], ["left"], ["right"] * 3)
    assert cmc.tolist() == [0, 1, 1]
    assert mean == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"use_metric_cuhk03": True}, "gallery='single-shot'"),
        ({"g_pids": [8, 9]}, "no query has a match"),
        ({"g_camids": [2]}, "one camera per image"),
        ({"distmat": [[0.1, np.nan]]}, "NaN"),
        ({"distmat": [[0.1], [0.2]]}, "transpose"),
        ({"max_rank": 0}, "max_rank is 0"),
    ],
)
def test_what_cannot_be_computed_is_told(change: dict[str, Any], words: str) -> None:
    arrays: dict[str, Any] = {"q_pids": [7], "g_pids": [7, 8], "q_camids": [1], "g_camids": [2, 2]}
    with pytest.raises(UserError) as told:
        evaluate_rank(**{"distmat": [[0.1, 0.2]], **arrays, **change})
    assert words in str(told.value)
