"""Four methods in files of their own: each runs, is killed at any step, resumed, and compiled."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch._dynamo.utils import counters

from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.methods import method_of
from reid_srdl.records.store import read_record
from reid_srdl.training.precision import Compute
from tests.cli.run import reid_srdl
from tests.small_set import write_small_set
from tests.training import tiny

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent / "probes"
STEPS = 3  # of an epoch
PROBES = {  # the networks that each returns, and its steps at 2 epochs of 3 steps
    "two_in_turn": (["one", "other"], 6),
    "hints": (["hinted"], 9),
    "branches": (["trunk", "branch1"], 6),
    "centres": (["centred"], 6),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with 36 crops of 6 people, and a cache of its own."""
    place = tmp_path_factory.mktemp("probes")
    write_small_set(place / "set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        yield place


def tree(place: Path, probe: str, model: str, name: str) -> dict[str, Any]:
    machine = {"device": "cpu", "precision": "fp32", "threads": 1}
    return {
        "data": {"name": "folder", "dir": str(place / "set"), "height": 32, "width": 16},
        "model": {"name": model},
        "optim": {"batch_size": 12, "lr": 0.01},
        "train": {"epochs": 2, **machine},
        "method": {"name": f"{HERE / probe}.py:program"},
        "run": {"dir": str(place / "runs"), "name": name},
    }


def words(probe: str, model: str, name: str, *more: str) -> tuple[str, ...]:
    """Returns what stands on the command line, in the folder of the data set."""
    return (
        *("train", "--method", f"{HERE / probe}.py:program", "--dataset", "folder"),
        *("--data-dir", "set", "--model", model, "--name", name, "--epochs", "2"),
        *("--batch-size", "12", "--device", "cpu", "--precision", "fp32"),
        *("--set", "data.height=32", "--set", "data.width=16", "--set", "optim.lr=0.01"),
        *("--set", "train.threads=1", *more),
    )


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    """Returns the weights of all networks of a run."""
    return {
        f"{file.stem}.{key}": value
        for file in sorted((run / "weights").glob("*.safetensors"))
        for key, value in load_file(file).items()
    }


@pytest.mark.parametrize("model", ["resnet32", "resnet18"])
@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_is_killed_anywhere_and_resumed_to_the_same_bits(
    place: Path, probe: str, model: str
) -> None:
    networks, steps = PROBES[probe]
    name = f"{probe}-{model}"
    done = reid_srdl(*words(probe, model, name), cwd=place)
    assert done.returncode == 0, done.stderr
    whole = read_record(place / "runs" / name)
    assert list(whole.results)[: len(networks)] == networks
    assert all(result is not None for result in whole.results.values())

    # ResNet-18 keeps 90 MB for each network, so only the small one does so at each step.
    first, often = (1, ("--set", "train.checkpoint_minutes=1e-9"))
    if model == "resnet18":
        first, often = (STEPS, ())
    step = random.Random(name).randrange(first, steps)
    asked = words(probe, model, f"{name}-killed", *often)
    command = [sys.executable, "-m", "tests.killed", str(step), *asked]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, cwd=place, check=False, env=environment).returncode == -9
    killed = place / "runs" / f"{name}-killed"
    assert not (killed / "record.json").exists()
    assert list((killed / "phases").glob("*.safetensors"))

    done = reid_srdl("train", "--resume", killed, cwd=place)
    assert done.returncode == 0, done.stderr
    again = read_record(killed)
    assert again.evaluations == whole.evaluations
    assert again.work == whole.work
    ours, theirs = weights_of(killed), weights_of(place / "runs" / name)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


COMPILED_ON = {"centres": "resnet32"}  # compiling takes most of a minute; below, all do


@pytest.mark.skipif(not shutil.which("g++"), reason="g++ compiles the kernels")
@pytest.mark.parametrize("probe", COMPILED_ON)
def test_a_probe_is_compiled_from_the_command_line(place: Path, probe: str, tmp_path: Path) -> None:
    """A full graph or an error: train.compile falls back to nothing."""
    write_small_set(tmp_path / "set", train=2)  # 12 images: one step an epoch
    ends = []
    for compiled in ("on", "off"):
        asked = words(probe, COMPILED_ON[probe], compiled, "--set", f"train.compile={compiled}")
        kernels = {"TORCHINDUCTOR_CACHE_DIR": str(place / "kernels")}
        done = reid_srdl(*asked, "--no-eval", cwd=tmp_path, environment=kernels)
        assert done.returncode == 0, done.stderr
        run = tmp_path / "runs" / compiled
        assert read_record(run).config["train"]["compile"] is (compiled == "on")
        ends.append(weights_of(run))
    one, other = ends
    assert one.keys() == other.keys()
    assert any(not torch.equal(one[key], other[key]) for key in one)  # other kernels made it
    for key, value in one.items():
        assert torch.allclose(value.double(), other[key].double(), atol=1e-3), key


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_keeps_averages_and_best_epochs(place: Path, probe: str) -> None:
    networks, _ = PROBES[probe]
    name = f"{probe}-kept"
    changed = tree(place, probe, "resnet32", name)
    changed["optim"] |= {"name": "adamw", "lr": 1e-3, "clip": 1.0, "ema": 0.5, "new_layers": 2.0}
    changed["optim"] |= {"schedule": "cosine", "decay_norms": False}
    changed["data"]["validation"] = 0.34
    changed["eval"] = {"every": 1}
    record = train(experiment(changed))
    whole = [f"{network}{kept}" for network in networks for kept in ("", ".ema", ".best")]
    assert list(record.results)[: len(whole)] == whole
    for network in networks:
        last, averaged = (
            load_file(place / "runs" / name / f"weights/{kept}.safetensors")
            for kept in (network, f"{network}.ema")
        )
        assert any(not torch.equal(last[key], averaged[key]) for key in last)


@pytest.mark.skipif(not shutil.which("g++"), reason="g++ compiles the kernels")
@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_is_compiled_whole_and_computes_the_same(tmp_path: Path, probe: str) -> None:
    method = method_of(f"{HERE / probe}.py:program")
    counters.clear()
    ends = []
    for compiled in (True, False):
        trainer = tiny.trainer(
            tmp_path,
            network="staged",
            training_set=tiny.training_set(8),  # one step an epoch
            compute=Compute(torch.device("cpu"), "fp32", 1, compile=compiled),
        )
        models = method.program(trainer, 2, method.options(name="probe"))
        ends.append({f"{n}.{k}": w for n in models for k, w in tiny.weights(models[n]).items()})
    assert counters["stats"]["unique_graphs"] >= 1
    assert not counters["graph_break"]
    one, other = ends
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[key], other[key], atol=1e-3) for key in one)
