"""Ensembles on re-id: members' normalised features side by side, each extracted once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from torch import from_numpy

from reid_srdl.evaluation import evaluate_by
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.extract import features_of_run
from reid_srdl.jobs.train import train
from reid_srdl.records.run import RunRecord
from reid_srdl.retrieval.ensembles import joined_features
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.tasks import reid
from tests.small_set import write_small_set
from tests.training import tiny_nets

tiny_nets.add_rows()
SETTINGS: list[dict[str, Any]] = [{}, {"flip": True, "distance": "cosine"}, {"pooling": "max"}]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    write_small_set(tmp_path / "set")
    return tmp_path


def run(place: Path, *, data: dict[str, Any] | None = None, **settings: Any) -> RunRecord:
    tree = {
        "data": {"height": 32, "width": 16, "name": "folder", "dir": place / "set", **(data or {})},
        "model": {"name": "tiny"},
        "method": {"name": "srdl"},
        "optim": {"batch_size": 8},
        "train": {"epochs": 2, "precision": "fp32", "threads": 1, "device": "cpu"},
        "eval": {"ensembles": ["srdl+first", "first+srdl"], **settings},
        "run": {"dir": place / "runs", "name": "r"},
    }
    return train(experiment(tree))


def by_hand(members: list[Features]) -> Features:
    """Returns the normalised features of the members, joined by torch."""

    def whole(sets: list[FeatureSet]) -> FeatureSet:
        unit = [F.normalize(from_numpy(one.features).double(), dim=1) for one in sets]
        rows = np.concatenate([one.numpy() for one in unit], axis=1).astype(np.float32)
        return FeatureSet(rows, sets[0].pids, sets[0].camids)

    boxes = [member.boxes for member in members if member.boxes is not None]
    return Features(
        whole([member.query for member in members]),
        whole([member.gallery for member in members]),
        whole(boxes),
    )


@pytest.mark.parametrize("settings", SETTINGS)
def test_an_ensemble_ranks_by_what_all_its_members_see(
    place: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Features] = []

    def all_parts(*args: Any) -> Features:
        seen.append(extract(*args))
        return seen[-1]

    extract = reid.all_parts
    monkeypatch.setattr(reid, "all_parts", all_parts)
    record = run(place, **settings)
    assert list(record.results) == ["srdl", "srdl+first", "first+srdl"]
    assert len(seen) == 2  # each member once, though it is in two ensembles
    kept, _ = features_of_run(place / "runs/r", device="cpu")
    assert np.allclose(kept.query.features, seen[0].query.features, atol=1e-5)

    chosen = experiment({"eval": settings}).eval
    expected = evaluate_by(by_hand(seen), chosen, engine="count", device="cpu").evaluation
    ours = record.results["srdl+first"]
    assert ours.single_query.mAP == pytest.approx(expected.single_query.mAP, abs=1e-9)  # type: ignore[union-attr]
    assert ours.multi_query.mAP == pytest.approx(expected.multi_query.mAP, abs=1e-9)  # type: ignore[union-attr]
    assert record.evaluations[1].per_query is not None
    order = record.results["first+srdl"]
    assert order.single_query.mAP == pytest.approx(ours.single_query.mAP)  # type: ignore[union-attr]


def test_distances_of_members_add_up_whatever_their_lengths() -> None:
    draw = np.random.default_rng(0)

    def member(length: int, scale: float) -> Features:
        rows = (scale * draw.normal(size=(5, length))).astype(np.float32)
        ids = np.arange(5)
        return Features(
            FeatureSet(rows[:2], ids[:2], ids[:2]), FeatureSet(rows[2:], ids[2:], ids[2:])
        )

    members = [member(3, 100.0), member(7, 0.01)]
    joined = joined_features(members)
    assert joined.boxes is None
    assert joined.gallery.features.shape == (3, 10)

    def squared(x: Any, y: Any) -> Any:
        return ((x[:, None].astype(float) - y[None].astype(float)) ** 2).sum(-1)

    cosines = []
    for one in members:
        q, g = (part.features.astype(float) for part in (one.query, one.gallery))
        lengths = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(g, axis=1)[None]
        cosines.append(q @ g.T / lengths)
    expected = sum(2 - 2 * cosine for cosine in cosines)
    assert np.allclose(squared(joined.query.features, joined.gallery.features), expected, atol=1e-6)


def test_on_a_joint_set_each_set_has_the_ensemble(place: Path) -> None:
    write_small_set(place / "other", test=3, height=48, width=24)
    both = {"name": "walkers+folder", "dir": None, "dirs": [place / "set", place / "other"]}
    record = run(place, data=both)
    judged = [(one.network, one.data.name) for one in record.evaluations]
    assert judged == [
        (network, data)
        for network in ("srdl", "srdl+first", "first+srdl")
        for data in ("walkers", "folder")
    ]
    assert all(one.result is not None for one in record.evaluations)
