"""Epochs are judged on what was held out, and the best one's weights are kept beside the last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.data.held_out import held_identities, held_images
from reid_srdl.data.reid.crops import Crops
from reid_srdl.errors import UserError
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.records.cost import Best
from reid_srdl.records.run import RunRecord
from reid_srdl.tasks import open_task
from reid_srdl.tasks.validation import check_held_out, in_view, judged_labels
from reid_srdl.training.precision import choose
from reid_srdl.training.values import View
from tests.class_set import CLASSES, write_class_folder
from tests.small_set import write_small_set
from tests.training import tiny

NAMES = [f"person{number}" for number in range(40)]


@pytest.mark.parametrize(("share", "count"), [(0.05, 2), (0.1, 4), (0.33, 13), (0.95, 38)])
def test_held_identities_are_a_share_that_is_drawn_once(share: float, count: int) -> None:
    held = held_identities(NAMES, share)
    assert len(held) == count
    assert held <= set(NAMES)
    assert held == held_identities(NAMES, share)
    assert held != frozenset(NAMES[:count])


@pytest.mark.parametrize(("names", "share"), [(NAMES, 0.01), (NAMES, 0.99), (NAMES[:3], 0.5)])
def test_a_share_that_leaves_too_few_people_on_a_side_is_refused(
    names: list[str], share: float
) -> None:
    with pytest.raises(UserError, match=r"data\.validation: .* each side needs two") as caught:
        held_identities(names, share)
    assert caught.value.exit_status == 2


def test_held_images_are_a_share_of_each_class() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(3), (10, 20, 40)))
    held = held_images(labels, 0.2, "abc")
    assert np.bincount(labels[held]).tolist() == [2, 4, 8]
    assert (held == held_images(labels, 0.2, "abc")).all()
    with pytest.raises(UserError, match=r"0\.04 of the 10 images of class 'a' is 0"):
        held_images(labels, 0.04, "abc")
    with pytest.raises(UserError, match=r"0\.99 of the 10 images of class 'a' is 10"):
        held_images(labels, 0.99, "abc")


def test_people_of_one_camera_are_nothing_to_judge_by() -> None:
    def crops(cameras: list[int]) -> Crops:
        paths = tuple(Path(str(number)) for number in range(4))
        return Crops(paths, np.array([1, 1, 2, 2]), np.array(cameras))

    check_held_out(crops([1, 2, 1, 1]), "ignore")
    with pytest.raises(UserError, match=r"data\.validation: nothing to judge by"):
        check_held_out(crops([1, 1, 2, 2]), "ignore")
    check_held_out(crops([1, 1, 2, 2]), "keep")
    labels = judged_labels(crops([1, 1, 2, 2]), "keep")
    assert len(set(labels.camids.tolist())) == 4  # no image finds itself
    check_held_out(crops([-2, -2, -2, -2]), "ignore")  # nobody knows by which cameras


def test_labels_in_a_view() -> None:
    labels = np.array([0, 2, 1, 2, 3])
    chosen, own = in_view(labels, "abcd", View(("c", "a")))
    assert chosen.tolist() == [True, True, False, True, False]
    assert own.tolist() == [1, 0, 0]


class Scripted:
    """Judges the networks of a phase by given scores, in order, and remembers their weights."""

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)
        self.seen: list[dict[str, torch.Tensor]] = []

    def __call__(self, network: Any, view: Any) -> float:
        self.seen.append({k: w.clone() for k, w in network.state_dict().items()})
        network.eval()  # as judges do
        return self.scores.pop(0)


def test_the_best_epoch_is_kept_and_the_last_goes_on(tmp_path: Path) -> None:
    """Of equal scores the first epoch's; knowledge and the second stage take the last."""
    judge, recorder = Scripted(0.1, 0.6, 0.6, 0.5, 0.2, 0.3, 0.1, 0.2), tiny.Recorder()
    trainer = tiny.trainer(tmp_path, recorder, judge=judge, judged=True)
    done = srdl(trainer, 8, SRDLOptions())["srdl"]
    assert done.best is not None
    assert tiny.same(tiny.weights(done), judge.seen[7])
    assert tiny.same(tiny.weights(done.best), judge.seen[5])
    first = trainer.fitted("first.best")
    assert tiny.same(tiny.weights(first), judge.seen[1])
    assert [row.networks[row.phase].validation for row in recorder.rows][:3] == [0.1, 0.6, 0.6]

    unjudged = tiny.trainer(tmp_path / "unjudged", validation=0.1, judge=Scripted(0.5, 0.5))
    plain = srdl(unjudged, 8, SRDLOptions())["srdl"]
    assert tiny.same(tiny.weights(plain), tiny.weights(done))  # judging changes nothing
    assert plain.best is None


def test_epochs_are_judged_every_n_and_after_the_last(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    judge = Scripted(0.1, 0.2, 0.3)
    trainer = tiny.trainer(tmp_path, recorder, judge=judge, every=2, validation=0.1)
    trainer.fit(trainer.new_model(), epochs=5, loss=trainer.supervised, name="fit")
    told = [row.networks["fit"].validation for row in recorder.rows]
    assert told == [None, 0.1, None, 0.2, 0.3]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("validation")
    write_small_set(place / "people", train=8)
    write_class_folder(place / "things", train=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        yield place


def tree(place: Path, name: str, **more: Any) -> dict[str, Any]:
    people = not name.startswith("things")
    data = {"name": "folder" if people else "class-folder", "height": 32, "width": 16}
    folder = place / ("people" if people else "things")
    machine = {"device": "cpu", "precision": "fp32", "threads": 1}
    whole: dict[str, Any] = {
        "data": {**data, "dir": str(folder), "validation": 0.25},
        "model": {"name": "tiny"},
        "optim": {"batch_size": 12, "lr": 0.03},
        "train": {"epochs": 4, **machine},
        "eval": {"every": 1},
        "method": {"name": "srdl"},
        "run": {"dir": str(place / "runs"), "name": name},
    }
    return {key: {**keys, **more.get(key, {})} for key, keys in whole.items()}


def test_people_who_are_held_out_are_not_trained_on(place: Path) -> None:
    config = experiment(tree(place, "task"))
    task = open_task(config, choose("cpu", "fp32", 1), lambda *told: None)
    assert len(task.classes) == 6
    assert len(task.training_set) == 36
    judge: Any = task.judge_epoch
    held = {str(pid) for pid in judge.crops.pids.tolist()}
    assert held == held_identities([str(pid) for pid in range(1, 9)], 0.25)
    assert not held & set(task.classes)
    assert len(judge.crops) == len(judge.pixels) == 12


def test_held_images_of_classes_are_not_trained_on(place: Path) -> None:
    config = experiment(tree(place, "things-task"))
    task = open_task(config, choose("cpu", "fp32", 1), lambda *told: None)
    assert task.classes == CLASSES
    assert torch.bincount(task.training_set.labels).tolist() == [6] * 6
    judge: Any = task.judge_epoch
    assert np.bincount(judge.labels).tolist() == [2] * 6


@pytest.mark.parametrize("kind", ["people", "things"])
def test_a_run_judges_keeps_and_tells_its_best_epoch(place: Path, kind: str) -> None:
    ensembles = ["srdl.best+first.ema"] if kind == "things" else []
    changes: dict[str, Any] = {"optim": {"ema": 0.5}, "eval": {"every": 1, "ensembles": ensembles}}
    config = experiment(tree(place, kind, **changes))
    planned = plan(config)
    record = train(config)
    names = ["srdl", "srdl.ema", "srdl.best", *ensembles]
    assert list(record.results) == planned["networks"] == names
    run = place / "runs" / kind
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    scores = [line["networks"][line["phase"]]["validation"] for line in lines]
    assert len(scores) == 4
    for phase, own in (("first", scores[:2]), ("second", scores[2:])):
        facts = facts_of(record, phase)
        best = max(own)
        assert facts.best == Best(epoch=own.index(best) + 1, score=best)
        assert facts.validation == own[-1]
    last, best = (load_file(run / "weights" / f"{name}.safetensors") for name in ("srdl", names[2]))
    same = all(torch.equal(last[key], best[key]) for key in last)
    assert same == (scores[2] < scores[3])
    if same:
        assert record.results["srdl"] == record.results["srdl.best"]
    if kind == "things":
        assert isinstance(record.results[ensembles[0]], ClassScores)


def facts_of(record: RunRecord, phase: str) -> Any:
    (found,) = [one for one in record.phases if one.name == phase]
    return found.networks[phase]


@pytest.mark.parametrize(
    ("section", "keys", "what"),
    [
        ("data", {"validation": 0.01}, "each side needs"),
        ("data", {"validation": 0.99}, "each side needs"),
        ("data", {"validation": 0.0}, "nothing is held out"),
        ("data", {"validation": 1.5}, "data.validation"),
        ("optim", {"ema": 1.0}, "optim.ema"),
        ("optim", {"ema": 0.5, "ema_teaches": True}, "nothing in vanilla learns"),
        ("eval", {"every": 1, "ensembles": ["vanilla+vanilla.ema"]}, "no network vanilla.ema"),
    ],
)
@pytest.mark.parametrize("kind", ["people", "things"])
def test_what_cannot_be_judged_is_refused_before_training(
    place: Path, kind: str, section: str, keys: dict[str, Any], what: str
) -> None:
    changes = {"method": {"name": "vanilla"}, section: keys}
    with pytest.raises(UserError) as caught:
        train(experiment(tree(place, f"{kind}-bad", **changes)))
    assert what in caught.value.what
    assert caught.value.exit_status == 2
    assert not (place / "runs" / f"{kind}-bad").exists()
