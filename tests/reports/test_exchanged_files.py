"""Fault 7: what stands in a run's folder is compared with the run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from reid_srdl.errors import UserError
from reid_srdl.jobs.evaluate import evaluate_run
from reid_srdl.jobs.extract import features_of_run
from reid_srdl.jobs.train import resume
from reid_srdl.methods import OPTIONS
from reid_srdl.models.weights import load_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.seals import SEALS
from tests.reports.runs import Listener, people, run

WEIGHTS = Path("weights/vanilla.safetensors")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs, ``a`` and ``b``, of another seed."""
    w = people(tmp_path / "w")
    for seed, name in enumerate("ab"):
        run(w, tmp_path / "runs", name, train={"seed": seed})
    return tmp_path / "runs"


def refused(folder: Path) -> str:
    """Returns what all readers of a run say."""
    told = set()
    for ask in (evaluate_run, features_of_run):
        with pytest.raises(UserError) as caught:
            ask(folder, device="cpu")  # type: ignore[operator]
        told.add(caught.value.what)
    (one,) = told
    return one


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.8, 0.97])
def test_fault_07_a_cut_configuration(runs: Path, kept: float) -> None:
    config = runs / "a/config.yaml"
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(lines[: int(kept * len(lines))]))
    assert "config.yaml" in refused(runs / "a")
    with pytest.raises(UserError, match=r"config\.yaml"):
        resume(runs / "a")


def test_fault_07_each_key_of_a_configuration_must_be_there(runs: Path) -> None:
    folder = RunFolder(runs / "a")
    tree = yaml.safe_load(folder.config.read_text())
    for section, keys in tree.items():
        for key in keys:
            cut = {**tree, section: {k: v for k, v in keys.items() if k != key}}
            folder.config.write_text(yaml.safe_dump(cut))
            with pytest.raises(UserError, match=r"config\.yaml: "):
                folder.read_config(OPTIONS)


def test_fault_07_a_changed_value(runs: Path) -> None:
    config = runs / "a/config.yaml"
    config.write_text(config.read_text().replace("lr: 0.1", "lr: 0.2"))
    assert "damaged, or of another run" in refused(runs / "a")
    (runs / "a" / SEALS).unlink()
    assert "began with" in refused(runs / "a")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("record.json", "the record of another run: train.seed is 1"),
        (str(WEIGHTS), "the weights of another run: vanilla of b"),
        ("config.yaml", "the record of another run|began with"),
    ],
)
def test_fault_07_another_run_s_file(runs: Path, name: str, words: str) -> None:
    shutil.copy(runs / "b" / name, runs / "a" / name)
    assert "damaged, or of another run" in refused(runs / "a")
    (runs / "a" / SEALS).unlink()
    assert re.search(words, refused(runs / "a"))
    if name != str(WEIGHTS):
        with pytest.raises(UserError):
            resume(runs / "a")


def test_fault_07_another_run_s_phase_is_trained_again(runs: Path) -> None:
    before = load_network(runs / "a" / WEIGHTS).state_dict()
    for path in sorted((runs / "a/phases").iterdir()):
        other = next((runs / "b/phases").glob(f"*{path.name[-22:]}"))
        shutil.copy(other, path)
    (runs / "a/record.json").unlink()
    listener = Listener()
    resume(runs / "a", listener)
    assert any("belongs to another phase" in line for line in listener.warnings)
    assert listener.epochs == 2
    after = load_network(runs / "a" / WEIGHTS).state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_fault_07_what_a_run_is_trained_on_is_there(runs: Path) -> None:
    (runs / "a/data.json").unlink()
    assert "data.json: gone" in refused(runs / "a")
