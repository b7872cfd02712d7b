"""Four methods in files of their own: each runs, is killed at any step, resumed, and compiled."""

from __future__ import annotations

import json
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
from reid_srdl.jobs.train import resume, train
from reid_srdl.methods import method_of
from reid_srdl.training.precision import Compute
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


def tree(place: Path, probe: str, model: str, name: str, minutes: float = 10.0) -> dict[str, Any]:
    machine = {"device": "cpu", "precision": "fp32", "threads": 1}
    return {
        "data": {"name": "folder", "dir": str(place / "set"), "height": 32, "width": 16},
        "model": {"name": model},
        "optim": {"batch_size": 12, "lr": 0.01},
        "train": {"epochs": 2, "checkpoint_minutes": minutes, **machine},
        "method": {"name": f"{HERE / probe}.py:program"},
        "run": {"dir": str(place / "runs"), "name": name},
    }


@pytest.mark.parametrize("model", ["resnet32", "resnet18"])
@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_is_killed_anywhere_and_resumed_to_the_same_bits(
    place: Path, probe: str, model: str
) -> None:
    networks, steps = PROBES[probe]
    name = f"{probe}-{model}"
    whole = train(experiment(tree(place, probe, model, name)))
    assert list(whole.results)[: len(networks)] == networks
    assert all(result is not None for result in whole.results.values())

    # ResNet-18 keeps 90 MB for each network, so only the small one does so at each step.
    first, minutes = (1, 1e-9) if model == "resnet32" else (STEPS, 10.0)
    step = random.Random(name).randrange(first, steps)
    settings = place / f"{name}.json"
    settings.write_text(json.dumps(tree(place, probe, model, f"{name}-killed", minutes)))
    command = [sys.executable, "-m", "tests.killed", str(settings), str(step)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    killed = place / "runs" / f"{name}-killed"
    assert not (killed / "record.json").exists()
    assert list((killed / "phases").glob("*.safetensors"))

    again = resume(killed)
    assert again.evaluations == whole.evaluations
    assert again.work == whole.work
    for network in whole.results:
        ours, theirs = (
            load_file(run / f"weights/{network}.safetensors")
            for run in (killed, place / "runs" / name)
        )
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


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
