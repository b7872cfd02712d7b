"""An independent oracle: the protocol spelled out query by query, with a full sort."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.features import Features, FeatureSet


def folded(terms: list[float]) -> float:
    """The definition's order of summation, on Python floats."""
    while len(terms) > 1:
        half = len(terms) // 2
        rest = terms[2 * half :]
        terms = [terms[i] + terms[half + i] for i in range(half)] + rest
    return terms[0]


def defined_distance(q: NDArray[np.float32], g: NDArray[np.float32]) -> float:
    """The definition on Python floats, one pair at a time."""
    return folded(
        [(float(a) - float(b)) * (float(a) - float(b)) for a, b in zip(q, g, strict=True)]
    )


def true_distance(q: NDArray[np.float32], g: NDArray[np.float32]) -> Fraction:
    """The squared distance without any rounding."""
    return sum(
        ((Fraction(float(a)) - Fraction(float(b))) ** 2 for a, b in zip(q, g, strict=True)),
        Fraction(0),
    )


def brute_ranks(query: FeatureSet, gallery: FeatureSet, distances: Any) -> list[list[int]]:
    """Each query's ranks of matches; ``distances``, Q x N, of comparable numbers."""
    found = []
    for i in range(len(query)):
        order = sorted(range(len(gallery)), key=lambda j: (distances[i][j], j))
        rank, ranks = 0, []
        for j in order:
            same_pid = gallery.pids[j] == query.pids[i]
            if gallery.pids[j] == -1 or (same_pid and gallery.camids[j] == query.camids[i]):
                continue
            rank += 1
            if same_pid:
                ranks.append(rank)
        found.append(ranks)
    return found


def distance_table(query: FeatureSet, gallery: FeatureSet) -> list[list[float]]:
    """All distances by the definition, computed pair by pair."""
    q, g = query.features.astype(np.float32), gallery.features.astype(np.float32)
    return [[defined_distance(a, b) for b in g] for a in q]


def random_features(
    rng: np.random.Generator,
    *,
    queries: int = 12,
    gallery: int = 60,
    dim: int = 8,
    ids: int = 6,
    values: NDArray[np.float32] | None = None,
) -> Features:
    """A small test set with junk and distractors; ``values`` to draw from makes ties."""

    def draw(count: int, lowest: int) -> FeatureSet:
        shape = (count, dim)
        drawn = rng.standard_normal(shape) if values is None else rng.choice(values, shape)
        pids = rng.integers(lowest, ids + 1, count)
        return FeatureSet(drawn.astype(np.float32), pids, rng.integers(1, 4, count))

    return Features(draw(queries, 1), draw(gallery, -1))
