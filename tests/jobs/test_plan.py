"""A plan is the record before the run: equal key by key, and nothing is written for it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from reid_srdl.config import AnyConfig
from reid_srdl.errors import UserError
from reid_srdl.jobs import train as jobs
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.planning import timed
from tests.class_set import write_class_folder
from tests.training import tiny_nets

tiny_nets.add_rows()
IMAGES, CLASSES, EPOCHS = 6 * 4, 6, 3
CLOCK = {"seconds", "images_per_second", "timing", "created"}
PLANNED = {"disk"}  # no record tells it
LEARNED = {"loss", "accuracy", "ce", "marks"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a data set of 24 images, and a cache of its own."""
    place = tmp_path_factory.mktemp("plan")
    write_class_folder(place / "set", train=4, test=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        yield place


def config(place: Path, name: str, *, epochs: int = EPOCHS, **sections: Any) -> AnyConfig:
    """Returns an experiment of 2 steps an epoch; images of 32 x 16 pixels."""
    where = {"name": "class-folder", "dir": place / "set", "height": 32, "width": 16}
    train = {"epochs": epochs, "device": "cpu", "precision": "fp32", "threads": 1}
    tree = {
        "data": where,
        "model": {"name": sections.pop("model", "tiny")},
        "optim": {"batch_size": 10, "lr": 0.01},
        "train": train,
        "run": {"dir": place / "runs", "name": name},
        **sections,
    }
    return experiment(tree)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Returns every file and folder below a folder, with size and time."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def differences(planned: Any, record: Any, path: str = "") -> Iterator[str]:
    """Yields where a plan's tree is not in a record's with the same values."""
    if isinstance(planned, Mapping):
        if not isinstance(record, Mapping):
            yield f"{path}: {record!r} is no table"
            return
        ours, theirs = planned.keys() - CLOCK - LEARNED - PLANNED, record.keys() - CLOCK - LEARNED
        for key in sorted(ours - theirs):
            yield f"{path}.{key}: only planned"
        if path:  # at the top, a record holds what came out, too
            for key in sorted(theirs - ours):
                yield f"{path}.{key}: only recorded"
        for key in sorted(ours & theirs):
            yield from differences(planned[key], record[key], f"{path}.{key}")
    elif isinstance(planned, list) and isinstance(record, list):
        if len(planned) != len(record):
            yield f"{path}: {len(planned)} and {len(record)} long"
        for number, (one, other) in enumerate(zip(planned, record, strict=False)):
            yield from differences(one, other, f"{path}[{number}]")
    elif planned != record:
        yield f"{path}: {planned!r} and {record!r}"


def test_the_comparison_sees_what_differs() -> None:
    record = {"a": 1, "phases": [{"name": "x", "seconds": 1.0}], "evaluations": []}
    assert not list(differences({"a": 1, "phases": [{"name": "x", "seconds": 2.0}]}, record))
    assert list(differences({"a": 2, "phases": []}, record)) == [
        ".a: 2 and 1",
        ".phases: 0 and 1 long",
    ]
    assert list(differences({"b": 1, "phases": [{}]}, record)) == [
        ".b: only planned",
        ".phases[0].name: only recorded",
    ]


METHODS: dict[str, dict[str, Any]] = {
    "vanilla": {"name": "vanilla"},
    "vanilla-2": {"name": "vanilla", "models": 2},
    "srdl": {"name": "srdl"},
    "srdl-incomplete": {"name": "srdl", "schedule": "incomplete"},
    "srdl-no-restart": {"name": "srdl", "restart": False, "view": "clean+flip"},
    "srdl-3": {"name": "srdl", "stages": 3},
    "ban": {"name": "ban", "generations": 3, "labels": True},
    "cwtm": {"name": "cwtm"},
    "dkpp": {"name": "dkpp"},
    "label-refinery": {"name": "label-refinery"},
    "kd": {"name": "kd", "teacher": "wide", "teacher_epochs": 2},
    "byot": {"name": "byot"},
    "dsn": {"name": "dsn"},
    "dml": {"name": "dml", "networks": ["wide", "tiny"]},
    "entropy": {"name": "entropy"},
    "kd-finished": {"name": "kd", "teacher": "./runs/vanilla"},
}


@pytest.mark.parametrize("name", METHODS)
def test_a_plan_is_the_finished_runs_record(
    place: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    ensembles = {"srdl": ["srdl+first"], "vanilla-2": ["vanilla+vanilla-2"]}.get(name, [])
    if name == "kd-finished" and not (place / "runs/vanilla/record.json").exists():
        jobs.train(config(place, "vanilla", method=METHODS["vanilla"]))
    model = "staged" if name in ("byot", "dsn") else "tiny"
    chosen = config(place, name, model=model, method=METHODS[name], eval={"ensembles": ensembles})
    before = files(place)
    generator = torch.get_rng_state()
    planned = json.loads(json.dumps(plan(chosen)))
    assert files(place) == before  # no run's folder, nothing in the cache
    assert planned["timing"]["seconds"] > 0
    torch.set_rng_state(generator)
    record = json.loads(jobs.train(chosen).model_dump_json())
    ours = {key: value for key, value in planned.items() if key != "networks"}
    assert not list(differences(ours, record))
    assert planned["networks"] == [one["network"] for one in record["evaluations"]]
    assert [phase["name"] for phase in planned["phases"]]
    assert all(len(phase["key"]) == 32 for phase in planned["phases"])
    after = files(place)
    again = plan(chosen)  # of a finished run: the same, and nothing is written
    assert not list(differences({k: again[k] for k in ours}, record))
    assert files(place) == after


def test_nothing_is_left_even_where_there_was_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class_folder(tmp_path / "set", train=2, test=2)
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    before = files(tmp_path)
    plan(config(tmp_path, "none", method={"name": "vanilla"}))
    assert files(tmp_path) == before


def test_the_cost_by_hand(place: Path) -> None:
    """SRDL of 3 epochs: 1 and 2 epochs of 2 steps of 10 images; one extraction of 24 images."""
    planned = plan(config(place, "hand", method={"name": "srdl"}))
    convolution, classifier = 32 * 16 * 6 * 27, 6 * CLASSES
    macs = convolution + classifier
    step = 10 * macs, 10 * (convolution + 2 * classifier)  # no gradient of the images
    one, extraction, other = planned["phases"]
    assert one["work"] == {
        "forward": 2 * step[0],
        "backward": 2 * step[1],
        "total": 2 * sum(step),
    }
    assert other["work"]["total"] == 2 * one["work"]["total"]
    assert extraction["work"] == {"forward": 24 * macs, "backward": 0, "total": 24 * macs}
    assert planned["work"]["total"] == 3 * one["work"]["total"] + 24 * macs
    cost = planned["cost"]
    assert (cost["macs"], cost["epochs"], cost["images"]) == (macs, 3, 24)
    assert cost["extraction_passes"] == 1
    assert cost["trcost"] == pytest.approx(macs * 24 * (3 + 1) / 1e16, rel=1e-12)
    assert cost["teachers"] == 0
    assert planned["parameters"] == 6 * 27 + 6 + 2 * 6 + 6 * CLASSES + CLASSES


def test_a_finished_teachers_cost_is_in_the_plan(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    teacher = jobs.train(config(place, "vanilla", method=METHODS["vanilla"]))
    planned = plan(config(place, "taught", method=METHODS["kd-finished"]))
    assert planned["cost"]["teachers"] == teacher.cost.trcost
    assert planned["cost"]["teachers_work"] == teacher.work.model_dump()


@pytest.mark.parametrize(
    ("method", "epochs", "ensembles", "what", "hint"),
    [
        (
            {"name": "srdl", "schedule": "incomplete"},
            1,
            [],
            "srdl needs at least 2 (got 1)",
            "raise train.epochs",
        ),
        ({"name": "vanilla", "models": 5}, 3, [], "vanilla needs at least 5 (got 3)", "raise"),
        ({"name": "ban", "generations": 4}, 3, [], "ban needs at least 4 (got 3)", "raise"),
        ({"name": "ban", "generations": 0}, 3, [], "method.generations", ""),
        ({"name": "kd", "teacher": "wibe"}, 3, [], "no such network 'wibe'", "'wide'"),
        ({"name": "srdl"}, 2, ["srdl+third"], "srdl has no network third", "it has srdl, first"),
        ({"name": "srdl"}, 2, ["srdl"], "'srdl' joins no two names", "srdl+first"),
    ],
)
def test_what_can_be_known_is_told_before_any_data_is_opened(
    tmp_path: Path, method: dict[str, Any], epochs: int, ensembles: list[str], what: str, hint: str
) -> None:
    """There is no data here at all: only the rehearsal can tell."""
    with pytest.raises(UserError) as caught:
        config(tmp_path, "none", method=method, epochs=epochs, eval={"ensembles": ensembles})
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert caught.value.exit_status == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("do", [plan, jobs.train])
def test_a_teacher_that_is_no_run_is_told_before_training(place: Path, do: Any) -> None:
    chosen = config(place, "lost", method={"name": "kd", "teacher": str(place / "nowhere")})
    with pytest.raises(UserError, match="nowhere"):
        do(chosen)
    assert not (place / "runs/lost").exists()


@pytest.mark.parametrize(("warm", "counted"), [(1, True), (4, False)])
def test_the_time_of_a_step_leaves_out_the_first_calls(warm: int, counted: bool) -> None:
    """On CUDA the fourth one records a graph, which takes as long as many steps."""
    left = iter([0.0, 0.0, 0.0, 0.2])
    taken = timed(lambda: time.sleep(next(left, 0.0)), torch.device("cpu"), warm=warm)
    assert (taken > 0.01) is counted
