"""Digests: content alone decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reid_srdl.feature_files.reading import load_features, save_features
from reid_srdl.records import digests
from reid_srdl.records.digests import features_digest, labels_digest
from reid_srdl.retrieval.features import Features, FeatureSet
from tests.retrieval.brute import random_features


def made(seed: int = 0) -> Features:
    return random_features(np.random.default_rng(seed), queries=20, gallery=50)


def changed(part: FeatureSet, **arrays: np.ndarray) -> FeatureSet:
    whole = {"features": part.features, "pids": part.pids, "camids": part.camids}
    return FeatureSet(**{**whole, **arrays})


def of_labels(features: Features) -> str:
    return labels_digest((features.query, features.gallery, features.boxes))


def test_labels_in_another_order_are_the_same_and_others_are_not() -> None:
    base = made()
    order = np.random.default_rng(1).permutation(50)
    gallery = base.gallery
    turned = changed(
        gallery,
        features=gallery.features[order],
        pids=gallery.pids[order],
        camids=gallery.camids[order],
    )
    assert of_labels(Features(base.query, turned)) == of_labels(base)
    swapped = changed(gallery, pids=gallery.camids, camids=gallery.pids)
    moved = gallery.camids.copy()
    moved[3] += 1
    others = (
        Features(base.query, swapped),
        Features(base.query, changed(gallery, camids=moved)),
        Features(gallery, base.query),
        Features(base.query, gallery, gallery),
        Features(base.query, FeatureSet(*(x[1:] for x in (gallery.features, gallery.pids, moved)))),
    )
    assert len({of_labels(other) for other in others} | {of_labels(base)}) == 6


def test_pieces_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = of_labels(made())
    monkeypatch.setattr(digests, "_PIECE_ROWS", 7)
    assert of_labels(made()) == whole


def test_features_in_memory_and_on_disk_are_the_same(tmp_path: Path) -> None:
    base = made()
    save_features(tmp_path / "f.npz", base)
    save_features(tmp_path / "folder", base)
    for path in (tmp_path / "f.npz", tmp_path / "folder"):
        assert features_digest(load_features(path)) == features_digest(base)
    other = made()
    other.gallery.features[49, 0] += 1
    assert features_digest(other) != features_digest(base)
    assert features_digest(made(1)) != features_digest(base)


def test_large_arrays_enter_by_some_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_WHOLE_BYTES", 100)
    monkeypatch.setattr(digests, "_SAMPLED_ROWS", 10)
    base, other = made(), made()
    other.gallery.features[1] += 1  # between two rows of the sample
    assert features_digest(other) == features_digest(base)
    other.gallery.features[45] += 1
    assert features_digest(other) != features_digest(base)
