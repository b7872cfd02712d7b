"""What cannot be evaluated is refused before the first epoch: failing input 15."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.tasks.reid import ReidTask
from reid_srdl.training.precision import choose
from tests.small_set import write_small_set

REFUSED: dict[str, dict[str, Any]] = {
    "eval.index": {"engine": "faiss", "index": "Foo"},
    "--set eval.normalize=on": {"expand": {"method": "alpha-qe"}},
    # These follow from the labels: 12 queries, 30 images without junk.
    "choose eval.expand.n from 1 to 30": {"expand": {"method": "aqe", "n": 31}},
    "choose eval.rerank.k1 from 1 to 41": {"rerank": {"method": "k-reciprocal", "k1": 42}},
    "choose eval.retrieved from 1 to 30": {"engine": "faiss", "index": "Flat", "retrieved": 31},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    write_small_set(tmp_path / "set")
    return tmp_path


def tree(place: Path, **settings: Any) -> dict[str, Any]:
    return {
        "data": {"height": 32, "width": 16, "name": "folder", "dir": place / "set"},
        "model": {"name": "resnet18"},
        "method": {"name": "vanilla"},
        "optim": {"batch_size": 8},
        "train": {"epochs": 1, "precision": "fp32", "threads": 1, "device": "cpu"},
        "eval": settings,
        "run": {"dir": place / "runs", "name": "r"},
    }


def one_camera(place: Path) -> None:
    for part in ("query", "bounding_box_test"):
        for file in (place / "set" / part).glob("*_c[23]*"):
            file.unlink()


def refused(place: Path, **settings: Any) -> UserError:
    with pytest.raises(UserError) as raised:
        train(experiment(tree(place, **settings)))
    assert not (place / "runs").exists()
    assert "--no-eval" in raised.value.hint
    return raised.value


@pytest.mark.parametrize("hint", REFUSED)
def test_settings_and_numbers_of_images_are_checked(place: Path, hint: str) -> None:
    assert hint in refused(place, **REFUSED[hint]).hint


def test_labels_without_a_match_are_refused(place: Path) -> None:
    one_camera(place)
    assert "no query has a match" in refused(place).what


def test_training_alone_asks_nothing_of_the_evaluation(place: Path) -> None:
    one_camera(place)
    config = experiment(tree(place, enabled=False, engine="faiss", index="Foo"))
    task = ReidTask(
        config.data, config.eval, choose("cpu", "fp32", 1), lambda what, done, total: None
    )
    assert len(task.training_set) == 36
