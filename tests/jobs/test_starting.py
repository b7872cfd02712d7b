"""A new run starts from a phase's checkpoint, is told apart from all others, and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from reid_srdl.config import fingerprint
from reid_srdl.errors import UserError
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.starting import base_of
from reid_srdl.jobs.train import resume, train
from reid_srdl.models.weights import load_network
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_record
from tests.small_set import write_small_set
from tests.training import tiny_nets

tiny_nets.add_rows()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, and a finished SRDL run of 2 + 2 epochs, ``runs/whole``."""
    place = tmp_path_factory.mktemp("place")
    write_small_set(place / "set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        train(experiment(tree(place, run={"name": "whole"})))
    return place


@pytest.fixture(autouse=True)
def _cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(place / "cache"))


def tree(place: Path, **sections: dict[str, Any]) -> dict[str, Any]:
    whole: dict[str, dict[str, Any]] = {
        "data": {"name": "folder", "dir": str(place / "set"), "height": 32, "width": 16},
        "model": {"name": "tiny"},
        "method": {"name": "srdl"},
        "optim": {"batch_size": 12, "lr": 0.01},
        "train": {"epochs": 4, "precision": "fp32", "threads": 1, "device": "cpu"},
        "eval": {"enabled": False},
        "run": {"dir": str(place / "runs")},
    }
    return {key: {**keys, **sections.get(key, {})} for key, keys in whole.items()}


def started(place: Path, text: str, **sections: dict[str, Any]) -> Any:
    base = base_of(f"{place}/runs/whole:{text}")
    return experiment({key: {**keys, **sections.get(key, {})} for key, keys in base.items()})


def first_weights(run: Path) -> dict[str, torch.Tensor]:
    (file,) = (run / "phases").glob("start-*.safetensors")
    return load_network(file).state_dict()


def test_it_starts_from_what_the_phase_had_trained(place: Path) -> None:
    config = started(place, "second", optim={"lr": 0.001})
    record = train(config)
    run = place / "runs" / record.name
    assert record.name != "whole"
    whole = load_network(place / "runs/whole/weights/srdl.safetensors").state_dict()
    ours = first_weights(run)
    assert all(torch.equal(ours[name], whole[name]) for name in whole)
    assert record.method.label == "srdl from whole:second@2"
    told = record.config["model"]["start"]  # type: ignore[index,call-overload]
    assert str(told).startswith("whole:second@2#")
    assert str(place) not in (run / "record.json").read_text()


def test_its_first_fit_alone_starts_so(place: Path) -> None:
    """With no rate to speak of, the first stage stays where it started; the second restarts."""
    record = train(started(place, "first@2", optim={"lr": 1e-30}))
    run = place / "runs" / record.name
    from safetensors.torch import load_file

    ends = {
        name: load_file(sorted((run / "phases").glob(f"{name}-*.safetensors"))[-1])
        for name in ("first", "second")
    }
    key, ours = "classifier.weight", first_weights(run)["classifier.weight"]
    assert torch.allclose(ends["first"][f"network.first.{key}"], ours)
    assert not torch.allclose(ends["second"][f"network.second.{key}"], ours)


def test_another_epoch_is_another_run_and_never_averaged_with_one_from_the_start(
    place: Path,
) -> None:
    configs = [started(place, "first@1"), started(place, "first@2"), started(place, "first")]
    keys = [fingerprint(config) for config in configs]
    assert len({*keys, fingerprint(experiment(tree(place)))}) == 3
    assert keys[1] == keys[2]
    records: list[RunRecord] = [read_record(place / "runs/whole"), train(configs[0])]
    rows = leaderboard(records).rows
    assert [len(row.seeds) for row in rows] == [1, 1]
    assert any("from whole:first@1" in row.label for row in rows)


def test_it_goes_on_without_the_run_that_it_started_from(place: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(place / "runs/whole", tmp_path / "source")
    base = base_of(f"{tmp_path}/source:first")
    config = experiment({**base, "run": {"dir": str(tmp_path), "name": "new"}})
    record = train(config)
    shutil.rmtree(tmp_path / "source")
    run = tmp_path / "new"
    (run / "record.json").unlink()
    for phase in (run / "phases").glob("second-*"):
        phase.unlink()
    again = resume(run)
    assert again.phases[-1].networks["second"].loss == record.phases[-1].networks["second"].loss


@pytest.mark.parametrize(
    ("text", "sections", "told"),
    [
        ("third", {}, "choose from: first"),
        ("first@7", {}, "take @2 or @1"),
        ("knowledge", {}, "choose from"),
        ("first", {"model": {"name": "wide"}}, "the same network"),
        ("first", {"data": {"height": 40}}, "the same network"),
        ("first", {"data": {"identities": 3}}, "the same network"),
        ("first", {"data": {"name": "walkers"}}, "same data set"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    place: Path, text: str, sections: dict[str, Any], told: str
) -> None:
    before = sorted((place / "runs").iterdir())
    with pytest.raises(UserError) as caught:
        plan(started(place, text, **sections))
    assert told in caught.value.hint
    assert caught.value.exit_status == 2
    assert sorted((place / "runs").iterdir()) == before


@pytest.mark.parametrize("text", ["", ":", "run", "run:", "run:a@x", "run:a@1#zz"])
def test_what_names_no_phase_is_told(text: str) -> None:
    with pytest.raises(UserError, match="names no phase"):
        base_of(text)


def test_a_damaged_checkpoint_is_passed_over(place: Path, tmp_path: Path) -> None:
    import shutil

    run = tmp_path / "whole"
    shutil.copytree(place / "runs/whole", run)
    newest = sorted((run / "phases").glob("first-*.safetensors"))[-1]
    content = bytearray(newest.read_bytes())
    content[-5] ^= 1
    newest.write_bytes(content)
    start = experiment(base_of(f"{run}:first")).model.start
    assert start is not None
    assert ":first@1#" in start
