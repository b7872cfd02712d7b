"""P x K and the losses of labels through whole runs: keys, plans, records, kills, bad input."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reid_srdl.config import AnyConfig, lay
from reid_srdl.errors import UserError
from reid_srdl.jobs import train as jobs
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.experiment import configured, experiment
from reid_srdl.tasks.batches import check_batches
from tests.class_set import write_class_folder
from tests.jobs.test_plan import differences
from tests.small_set import write_small_set
from tests.training import tiny_nets

tiny_nets.add_rows()
ROOT = Path(__file__).parents[2]
P_K = {"identities": 3, "images": 2}
ALL = {
    "smoothing": 0.1,
    "triplet": {"weight": 1.0},
    "circle": {"weight": 0.5},
    "centre": {"weight": 5e-4},
}
TERMS = ["smoothed_ce", "triplet", "circle", "centre"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with 6 classes of 4 images, 6 people of 6 crops, and a cache of its own."""
    place = tmp_path_factory.mktemp("losses")
    write_class_folder(place / "classes", train=4, test=2)
    write_small_set(place / "people")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        yield place


def tree(place: Path, name: str = "run", task: str = "classes", **sections: Any) -> dict[str, Any]:
    kind = "class-folder" if task == "classes" else "folder"
    return {
        "data": {"name": kind, "dir": str(place / task), "height": 32, "width": 16},
        "model": {"name": "tiny"},
        "method": {"name": "vanilla"},
        "sampler": P_K,
        "loss": ALL,
        "optim": {"lr": 0.01},
        "train": {"epochs": 2, "device": "cpu", "precision": "fp32", "threads": 1},
        "run": {"dir": str(place / "runs"), "name": name},
        **sections,
    }


METHODS: dict[str, dict[str, Any]] = {
    "vanilla": {"name": "vanilla"},
    "srdl": {"name": "srdl"},
    "kd": {"name": "kd", "teacher": "wide", "teacher_epochs": 1, "form": "lecture"},
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("task", ["classes", "people"])
def test_every_method_runs_as_planned_under_all_of_them(place: Path, name: str, task: str) -> None:
    config = experiment(tree(place, f"{name}-{task}", task, method=METHODS[name]))
    assert config.optim.batch_size == 6
    planned = json.loads(json.dumps(plan(config)))
    record = json.loads(jobs.train(config).model_dump_json())
    del planned["networks"]
    assert not list(differences(planned, record))
    fits = [phase for phase in record["phases"] if phase["kind"] == "fit"]
    for phase in fits:
        (network,) = phase["networks"].values()
        own = [term for term in network["loss"] if term in TERMS]
        if phase["name"] == "kd":
            assert list(network["loss"]) == [*(f"weighted_{term}" for term in TERMS), "soft_ce"]
        else:
            assert own == TERMS
        assert ("kl" in network["loss"]) == (phase["name"] == "second")
        assert network["ce"] > 0  # the plain one, measured beside
        assert network["ce"] != network["loss"].get("smoothed_ce")


def test_turning_any_key_off_changes_what_is_trained(place: Path) -> None:
    base = {**ALL, "triplet": {"weight": 1.0, "margin": 4.0}}  # wide, so that it does hinge
    off: dict[str, dict[str, Any]] = {
        "none": {},
        "shuffled": {"sampler": {}, "optim": {"lr": 0.01, "batch_size": 6}},
        "smoothing": {"loss": {**base, "smoothing": 0.0}},
        **{term: {"loss": {**base, term: {"weight": 0.0}}} for term in TERMS[1:]},
        "margin": {"loss": {**base, "triplet": {"weight": 1.0, "margin": None}}},
        "rate": {"loss": {**base, "centre": {"weight": 5e-4, "lr": 0.1}}},
    }
    ends = {}
    for name, changes in off.items():
        record = jobs.train(experiment(tree(place, f"off-{name}", **{"loss": base, **changes})))
        assert record.results["vanilla"] is not None
        weights = load_file(place / "runs" / f"off-{name}" / "weights/vanilla.safetensors")
        ends[name] = torch.cat([value.double().flatten() for value in weights.values()])
    for name, end in ends.items():
        assert name == "none" or not torch.equal(end, ends["none"]), name


@pytest.mark.parametrize("step", [2, 11])
def test_a_run_is_killed_and_resumed_to_the_same_bits(place: Path, step: int) -> None:
    """SRDL on people, 6 steps an epoch: within stage one, and within stage two."""
    settings = tree(place, "whole", "people", method={"name": "srdl"}, model={"name": "resnet32"})
    if not (place / "runs/whole/record.json").exists():
        jobs.train(experiment(settings))
    name = f"killed-{step}"
    settings["run"] = {**settings["run"], "name": name}
    settings["train"] = {**settings["train"], "checkpoint_minutes": 1e-9}
    (place / f"{name}.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "tests.killed", str(step), str(place / f"{name}.json")]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    assert not (place / "runs" / name / "record.json").exists()
    jobs.resume(place / "runs" / name)
    for part in ("weights", "phases"):
        ours, theirs = (
            {path.name: path for path in (place / "runs" / run / part).glob("*.safetensors")}
            for run in (name, "whole")
        )
        last = [file for file in ours if part == "weights" or file.endswith("006.safetensors")]
        assert len(last) == (1 if part == "weights" else 2)
        for file in last:
            one, other = load_file(ours[file]), load_file(theirs[file])
            assert one.keys() == other.keys()
            assert all(torch.equal(one[key], other[key]) for key in one)
            assert part == "weights" or any("centres" in key for key in one)


def test_the_batch_follows_p_and_k(place: Path) -> None:
    def size(**sections: Any) -> int:
        return experiment(tree(place, **sections)).optim.batch_size

    assert size() == 6
    assert size(data={"name": "cifar10"}, sampler={"identities": 4, "images": 3}) == 12
    assert size(sampler={}, data={"name": "cifar10"}) == 128
    assert size(optim={"batch_size": 6}) == 6

    recipe = {"sampler": {"identities": 16, "images": 4}, "optim": {"batch_size": 64}}
    below = {"optim": {"batch_size": 128, "lr": 0.1}}
    assert lay(below, recipe, {})["optim"] == {"batch_size": 64, "lr": 0.1}
    assert lay(below, recipe, {"sampler": {"images": 2}})["optim"] == {"batch_size": 32, "lr": 0.1}
    assert lay(below, recipe, {"optim": {"batch_size": 9}})["optim"]["batch_size"] == 9  # told off
    off = {"sampler": {"identities": None, "images": None}}
    assert lay(below, {"sampler": recipe["sampler"]}, off)["optim"]["batch_size"] == 128
    assert below["optim"]["batch_size"] == 128  # no layer is changed
    assert lay({}, {"sampler": {"identities": "x", "images": 2}, "optim": 3})["optim"] == 3


def test_a_run_from_another_ones_checkpoint_may_change_the_batch(place: Path) -> None:
    jobs.train(experiment(tree(place, "origin")))
    origin = f"{place / 'runs/origin'}:vanilla"
    smaller = configured({"run.name": "on"}, None, ["sampler.identities=2"], origin)
    assert (smaller.optim.batch_size, smaller.sampler.images) == (4, 2)
    assert jobs.train(smaller).results["vanilla"] is not None


@pytest.mark.parametrize(
    ("changes", "what", "hint"),
    [
        ({"optim": {"batch_size": 8}}, "8 is not .* 3 x 2 = 6", "--set optim.batch_size=6"),
        ({"sampler": {"identities": 3}}, "needs sampler.images beside it", "sampler.images=4"),
        ({"sampler": {"images": 3}}, "needs sampler.identities beside it", "sampler.identities=16"),
        ({"sampler": {"identities": 1, "images": 4}}, "sampler.identities.*2", "identities"),
        (
            {"sampler": {"identities": 4, "images": 1}},
            "1 leaves no two images of an identity to loss.triplet and loss.circle",
            "--set sampler.images=4",
        ),
        (
            {"loss": {"triplet": {"margin": 0.5}}},
            "loss.triplet.margin: nothing reads it while the term's weight is 0",
            "--set loss.triplet.weight=1.0",
        ),
        ({"loss": {"circle": {"weight": -1}}}, "loss.circle.weight", "loss.circle.weight=0.0"),
        ({"loss": {"smoothing": 1.0}}, "loss.smoothing", "--set loss.smoothing=0.0"),
    ],
)
def test_keys_that_do_not_go_together_are_told(
    tmp_path: Path, changes: dict[str, Any], what: str, hint: str
) -> None:
    """Without any data."""
    with pytest.raises(UserError, match=what) as caught:
        experiment(tree(tmp_path, **changes))
    assert hint in caught.value.hint
    assert caught.value.exit_status == 2
    assert not list(tmp_path.iterdir())


def alone(place: Path) -> AnyConfig:
    """An experiment on the classes, of which two have a single image."""
    root = shutil.copytree(place / "classes", place / "alone", dirs_exist_ok=True)
    for folder in sorted((root / "train").iterdir())[:2]:
        for path in sorted(folder.iterdir())[1:]:
            path.unlink()
    return experiment(tree(place, "alone", "classes", data=_data(root)))


def _data(root: Path) -> dict[str, Any]:
    return {"name": "class-folder", "dir": str(root), "height": 32, "width": 16}


@pytest.mark.parametrize("do", [plan, jobs.train])
def test_pairs_of_an_only_image_are_refused_before_training(place: Path, do: Any) -> None:
    config = alone(place)
    with pytest.raises(UserError, match=r"loss.triplet: a single training image of \w+, \w+: "):
        do(config)
    assert not (place / "runs/alone").exists()


@pytest.mark.parametrize(
    ("counts", "sampler", "what"),
    [
        ((9, 0), {}, "loss.triplet: all training images are of one identity"),
        ((1, 1, 1, 1, 1, 1), {}, "a single training image of 0, 1, 2 and 3 more"),
        ((5, 1, 5), P_K, "a single training image of 1: pairs"),
    ],
)
def test_sets_without_pairs_are_refused(
    place: Path, counts: tuple[int, ...], sampler: dict[str, int], what: str
) -> None:
    config = experiment(tree(place, sampler=sampler, optim={"batch_size": 6}))
    named = {str(place): count for place, count in enumerate(counts)}
    with pytest.raises(UserError, match=what):
        check_batches(config, named)


def test_shuffled_batches_need_no_pair_of_every_identity(place: Path) -> None:
    config = experiment(tree(place, sampler={}, optim={"batch_size": 6}))
    check_batches(config, {"0": 5, "1": 1, "2": 5})


def test_without_pairs_an_only_image_is_repeated(place: Path) -> None:
    alone(place)
    loss = {"smoothing": 0.1, "centre": {"weight": 5e-4}}
    config = experiment(tree(place, "repeated", data=_data(place / "alone"), loss=loss))
    assert jobs.train(config).results["vanilla"] is not None


@pytest.mark.parametrize("task", ["classes", "people"])
@pytest.mark.parametrize(
    ("sampler", "what", "hint"),
    [
        ((500, 2), "sampler.identities: 500 is more than the 6", "sampler.identities=6 or less"),
        ((6, 50), "300 is more than the .* training images", "lower sampler.identities or"),
    ],
)
def test_more_than_the_set_holds_is_refused_before_training(
    place: Path, task: str, sampler: tuple[int, int], what: str, hint: str
) -> None:
    drawn = dict(zip(("identities", "images"), sampler, strict=True))
    config = experiment(tree(place, "large", task, sampler=drawn))
    for do in (plan, jobs.train):
        with pytest.raises(UserError, match=what) as caught:
            do(config)
        assert hint in caught.value.hint
    assert not (place / "runs/large").exists()
