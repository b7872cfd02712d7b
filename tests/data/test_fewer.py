"""Fewer images than there are: how many of each class, which ones, and what a record says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_srdl.data.fewer import fewer_images
from reid_srdl.errors import UserError
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from tests.class_set import write_class_folder
from tests.small_set import write_small_set
from tests.training import tiny_nets

tiny_nets.add_rows()


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.data())
def test_each_class_gives_its_share_and_one_at_least(sizes: list[int], data: Any) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    count = data.draw(st.integers(len(sizes), len(labels)))
    shown = fewer_images(labels, count)
    own = np.bincount(labels[shown], minlength=len(sizes))
    assert shown.sum() == count
    assert own.min() >= 1
    spare = np.array(sizes) - 1
    exact = 1 + (count - len(sizes)) * spare / max(spare.sum(), 1)
    assert np.abs(own - exact).max() < 1
    assert np.array_equal(shown, fewer_images(labels, count))


def test_balanced_classes_stay_balanced_and_the_first_images_are_nothing_special() -> None:
    labels = np.repeat(np.arange(100), 500)
    shown = fewer_images(labels, 5000)
    assert np.bincount(labels[shown]).tolist() == [50] * 100
    assert len({tuple(np.flatnonzero(row)) for row in shown.reshape(100, 500)}) == 100


def test_more_than_there_are_and_fewer_than_classes_are_refused() -> None:
    labels = np.array([0, 0, 1, 2])
    with pytest.raises(UserError, match=r"data\.images: 5 is more than the 4"):
        fewer_images(labels, 5)
    with pytest.raises(UserError, match=r"data\.images: 2 images leave none") as caught:
        fewer_images(labels, 2)
    assert "data.images=3" in caught.value.hint


def tree(place: Path, kind: str, **data: Any) -> dict[str, Any]:
    return {
        "data": {"height": 32, "width": 16, "name": kind, "dir": place / "set", **data},
        "model": {"name": "tiny"},
        "method": {"name": "vanilla"},
        "optim": {"batch_size": 4},
        "train": {"epochs": 1, "precision": "fp32", "threads": 1, "device": "cpu"},
        "run": {"dir": place / "runs"},
    }


@pytest.mark.parametrize("kind", ["folder", "class-folder"])
def test_a_run_is_trained_on_so_many_and_the_record_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    if kind == "folder":
        write_small_set(tmp_path / "set")
    else:
        write_class_folder(tmp_path / "set", train=6, test=2)
    whole = plan(experiment(tree(tmp_path, kind)))
    count = whole["dataset"]["images"] - 5
    record = train(experiment(tree(tmp_path, kind, images=count)))
    assert record.dataset.images == count
    assert record.phases[0].key != whole["phases"][0]["key"]
    assert record.dataset.content is not None
    assert record.dataset.content.model_dump(mode="json") == whole["dataset"]["content"]
    with pytest.raises(UserError, match=r"data\.images"):
        plan(experiment(tree(tmp_path, kind, images=10**6)))
    held = plan(experiment(tree(tmp_path, kind, images=count // 2, validation=0.5)))
    assert held["dataset"]["images"] == count // 2
