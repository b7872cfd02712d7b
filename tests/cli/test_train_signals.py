"""SIGTERM and Ctrl-C end ``train`` within 30 seconds, whatever it does; it goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.cli.run import reid_srdl
from tests.small_set import write_small_set

EPOCHS = 4
TRAIN = (
    *("train", "--dataset", "folder", "--data-dir", "set", "--model", "resnet8"),
    *("--device", "cpu", "--precision", "fp32", "--method", "srdl", "--epochs", str(EPOCHS)),
    *("--batch-size", "2", "--set", "eval.batch_size=1", "--set", "train.threads=1"),
    *("--set", "data.height=32", "--set", "data.width=16", "--set", "model.width=4"),
    *("--set", "optim.lr=0.001"),
)
# Stages that take minutes: 72 steps, 36 batches of knowledge, three sets of features.
SLOWED = """
import importlib, sys, time
module, name, seconds, begun = *(sys.argv.pop(1) for _ in range(3)), []
owner = importlib.import_module(module)
*path, name = name.split(".")
for part in path:
    owner = getattr(owner, part)
plain = getattr(owner, name)

def slow(*arguments, **named):
    if not begun:
        begun.append(True)
        print("begun", flush=True)
    time.sleep(float(seconds))
    return plain(*arguments, **named)

setattr(owner, name, slow)
from reid_srdl.cli import main
main()
"""
STAGES = {  # what is slow there, and by how many seconds
    "training": ("reid_srdl.training.fitting", "Fitting._perhaps_stop", "1"),
    "extraction": ("reid_srdl.training.extraction", "to_half", "1"),
    "evaluation": ("reid_srdl.tasks.features", "_forward", "100"),
}
KEPT = "stopped; what was done is kept, and the same command goes on from there"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data set and a run that nothing stopped."""
    place = tmp_path_factory.mktemp("signals")
    write_small_set(place / "set")
    done = reid_srdl(*TRAIN, "--name", "whole", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_within_30_seconds(place: Path, stage: str, number: int) -> None:
    name = f"{stage}-{number}"
    words = (*TRAIN, "--name", name)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWED, *STAGES[stage], *words],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"REID_SRDL_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n", process.communicate()[1]
    sent = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - sent < 30
    assert out == ""
    assert "Traceback" not in err
    assert "error: " not in err
    # While nothing would be lost, SIGTERM ends the process by itself: a shell sees 143 as well.
    itself = stage == "evaluation" and number == signal.SIGTERM
    assert process.returncode == (-number if itself else 128 + number)
    assert err.count(KEPT) == (0 if itself else 1)
    assert not (place / "runs" / name / "record.json").exists()

    done = reid_srdl(*words, cwd=place)
    assert done.returncode == 0, done.stderr
    ours, theirs = (
        load_file(place / "runs" / run / "weights/srdl.safetensors") for run in (name, "whole")
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
