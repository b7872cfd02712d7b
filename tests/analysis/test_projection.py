"""Projections against the eigenvectors of the covariance, and on points that lie apart."""

from __future__ import annotations

import numpy as np
import pytest

from reid_srdl.analysis.projection import project
from reid_srdl.errors import UserError


def features(images: int = 60, length: int = 6) -> np.ndarray:
    draw = np.random.default_rng(0)
    return (draw.normal(size=(images, length)) * np.arange(1, length + 1)).astype(np.float32)


def test_pca_is_the_covariances_largest_eigenvectors() -> None:
    x = features().astype(np.float64)
    centred = x - x.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(centred.T))
    expected = centred @ vectors[:, ::-1][:, :2]
    found = project(features(), "pca")
    for ours, theirs in zip(found.points.T, expected.T, strict=True):
        assert min(np.abs(ours - theirs).max(), np.abs(ours + theirs).max()) < 1e-5
    assert found.explained == pytest.approx(tuple(values[::-1][:2] / values.sum()), rel=1e-5)
    np.testing.assert_array_equal(found.points, project(features(), "pca").points)


def test_tsne_keeps_clusters_apart_and_is_the_same_again() -> None:
    labels = np.arange(60) % 3
    x = features(length=60) * 0.01 + 10 * np.eye(60, dtype=np.float32)[labels]
    one, other = (project(x, "tsne", perplexity=10, seed=0).points for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert one.shape == (60, 2)
    distances = ((one[:, None] - one[None]) ** 2).sum(axis=2) + np.diag([np.inf] * 60)
    assert (labels[distances.argmin(axis=1)] == labels).all()


def test_too_few_images_are_told() -> None:
    with pytest.raises(UserError, match="2 images"):
        project(features(2), "pca")
    with pytest.raises(UserError, match="perplexity of 30 wants more than 20") as caught:
        project(features(20), "tsne")
    assert "--perplexity 5" in caught.value.hint
    assert project(features(5, 1), "pca").points[:, 1].tolist() == [0.0] * 5
