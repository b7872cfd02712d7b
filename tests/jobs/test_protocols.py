"""One network judged on other data sets, their splits and galleries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl.errors import UserError
from reid_srdl.jobs.evaluate import evaluate_run
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.extract import features_of_run
from reid_srdl.jobs.splits import evaluate_splits
from reid_srdl.jobs.train import train
from reid_srdl.records.evaluated import Evaluated
from reid_srdl.records.later import read_later
from reid_srdl.retrieval.result import Evaluation
from tests.data.conftest import write_image
from tests.data.reid.trees import write_cuhk03, write_grid, write_msmt17, write_viper
from tests.small_set import write_small_set


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data sets, a run on a small set, ``r``, and one on VIPeR's split 3, ``v``."""
    place = tmp_path_factory.mktemp("place")
    write_small_set(place / "set")
    write_viper(place / "data" / "VIPeR")
    write_grid(place / "data" / "grid")
    write_msmt17(place / "data" / "MSMT17_V1")
    write_cuhk03(place / "data" / "cuhk03")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        run(place, "r", {"name": "folder", "dir": place / "set"})
        run(place, "v", {"name": "viper", "dir": place / "data", "split": 3})
        yield place


def run(place: Path, name: str, data: dict[str, Any]) -> None:
    tree = {
        "data": {"height": 32, "width": 16, **data},
        "model": {"name": "resnet18"},
        "method": {"name": "vanilla"},
        "optim": {"batch_size": 8},
        "train": {"epochs": 1, "precision": "fp32", "threads": 1, "device": "cpu"},
        "eval": {"enabled": name == "v"},
        "run": {"dir": place, "name": name},
    }
    train(experiment(tree))


def judged(place: Path, *, name: str = "r", **given: Any) -> Evaluation:
    return evaluate_run(place / name, device="cpu", **given)[1].evaluation


def kept(place: Path, **given: Any) -> tuple[Path, Evaluated]:
    """Evaluates the run ``r``; returns the file that records it, and what stands in it."""
    path = evaluate_run(place / "r", device="cpu", **given)[2]
    (found,) = read_later(path).evaluations
    return path, found


@pytest.mark.parametrize(
    ("dataset", "queries", "gallery", "distractors"),
    [
        ("viper", 4, "all", 0),
        ("grid", 3, "all", 3),
        ("msmt17", 1, "all", 0),
        ("cuhk03-labeled", 3, "all", 0),
        ("cuhk03-classic-labeled", 4, "single-shot", 0),
    ],
)
def test_any_set_judges_any_network(
    place: Path, dataset: str, queries: int, gallery: str, distractors: int
) -> None:
    _, evaluated = kept(place, dataset=dataset, data_dir=place / "data")
    found = evaluated.result
    assert isinstance(found, Evaluation)
    assert found.single_query.queries == queries
    assert found.protocol.gallery == gallery
    assert found.protocol.distractors == distractors
    assert (found.spread is not None) == (gallery == "single-shot")
    data = evaluated.data
    assert (data.name, data.query, data.distractors) == (dataset, queries, distractors)
    assert data.split == (None if dataset in ("msmt17", "cuhk03-labeled") else 0)
    assert data.folder == str(place / "data")
    assert evaluated.settings["gallery"] == gallery
    assert evaluated.per_query is not None
    assert len(evaluated.per_query.single_query) == queries


def test_a_run_keeps_its_split(place: Path) -> None:
    assert judged(place, name="v").single_query.queries == 4
    with pytest.raises(UserError, match="trained on split 3"):
        judged(place, name="v", split=0)
    with pytest.raises(UserError, match="trained on split 3"):
        evaluate_splits(place / "v", device="cpu")
    assert judged(place, name="v", dataset="folder", data_dir=place / "set").protocol.distractors


def test_all_splits_are_averaged(place: Path) -> None:
    where = {"dataset": "viper", "data_dir": place / "data"}
    found, path = evaluate_splits(place / "r", device="cpu", **where)  # type: ignore[arg-type]
    assert len(found.splits) == 10
    rank1 = [one.single_query.rank1 for one in found.splits]
    assert found.mean.rank1 == pytest.approx(np.mean(rank1))
    assert found.spread.rank1 == pytest.approx(np.std(rank1, ddof=1))
    assert found.splits[7] == judged(place, **where, split=7)
    told = read_later(path)
    assert path.name.startswith("viper+all-splits-")
    assert told.mean == found.mean
    assert [one.data.split for one in told.evaluations] == list(range(10))
    assert told.evaluations[7].result == found.splits[7]
    with pytest.raises(UserError, match="folder has one split"):
        evaluate_splits(place / "r", device="cpu")
    with pytest.raises(UserError, match="viper has no split 10"):
        judged(place, **where, split=10)


def test_distractors_join_and_are_counted(place: Path) -> None:
    folder = place / "more"
    folder.mkdir()
    for number in range(30):
        write_image(folder / f"{number}.jpg", (16, 32), seed=number)
    plain, found = judged(place), judged(place, distractors=folder)
    assert found.protocol.distractors == plain.protocol.distractors + 30
    assert found.single_query.mAP <= plain.single_query.mAP
    features, _ = features_of_run(place / "r", distractors=folder, device="cpu")
    assert (features.gallery.pids[-30:] == 0).all()
    path, evaluated = kept(place, distractors=folder)
    assert path.name.startswith("folder+distractors-")
    assert evaluated.data.distractors_folder == str(folder)
    assert evaluated.data.distractors == found.protocol.distractors


def test_evaluations_of_other_data_or_settings_stand_beside_each_other(place: Path) -> None:
    write_small_set(place / "copy")
    given: list[dict[str, Any]] = [
        {},
        {"changes": {"normalize": True}},
        {"changes": {"flip": True}},
        {"data_dir": place / "copy"},
        {"dataset": "viper", "data_dir": place / "data", "split": 1},
        {"dataset": "viper", "data_dir": place / "data", "split": 2},
    ]
    paths = [kept(place, **one)[0] for one in given]
    assert paths[3] == paths[0]  # the same content in another place
    assert len(set(paths)) == len(given) - 1
    assert all(path.exists() for path in paths)
    again, found = kept(place, changes={"normalize": True})
    assert again == paths[1]
    assert found.settings["normalize"] is True
    path, found = kept(place, changes={"batch_size": 3})  # changes no number
    assert path == paths[0]
    assert found.data.labels == kept(place, data_dir=place / "copy")[1].data.labels
    again.write_text(again.read_text().replace('"rank1"', '"rank0"', 1))
    with pytest.raises(UserError, match=r"damaged: evaluations\.0"):
        read_later(again)
    with pytest.raises(UserError, match="no such file"):
        read_later(place / "none.json")


def test_any_gallery_can_be_drawn(place: Path) -> None:
    changes = {"gallery": "single-shot", "trials": 7, "trial_seed": 5}
    found = judged(place, changes=changes)
    assert "7 trials from seed 5" in found.protocol.single_shot
    assert judged(place, changes=changes) == found


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"lists": 31 + 6}, "rank lists of length 37"),
        ({"lists": 5, "changes": {"gallery": "single-shot"}}, "single-shot"),
        ({"changes": {"expand": {"method": "aqe", "n": 31}}}, "expansion by 31 of 30"),
        ({"changes": {"index": "Flat"}}, "nothing reads it while eval.engine is count"),
    ],
)
def test_what_cannot_be_told_is_refused_before_any_image_is_read(
    place: Path, given: dict[str, Any], told: str
) -> None:
    steps: list[str] = []
    with pytest.raises(UserError, match=told):
        judged(place, steps=lambda what, done, total: steps.append(what), **given)
    assert not steps
