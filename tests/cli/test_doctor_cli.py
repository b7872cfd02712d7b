"""``reid-srdl doctor`` answers on any machine; no help text waits for torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reid_srdl import machine
from reid_srdl.data.reid.crops import Crops, ReidData
from reid_srdl.errors import UserError
from reid_srdl.jobs import doctor
from reid_srdl.records.machine import Choice, Data, FoundData
from reid_srdl.retrieval.counting.kernels.integer_product import is_exact

HEAVY = ("torch", "torchvision", "faiss", "scipy", "onnxruntime")


def run_blocked(blocked: tuple[str, ...], *arguments: str, **environment: str) -> str:
    """Runs the command line in a process where importing ``blocked`` fails; returns stdout."""
    code = (
        "import sys\n"
        f"for name in {blocked!r}: sys.modules[name] = None\n"
        f"sys.argv = ['reid-srdl', *{arguments!r}]\n"
        "from reid_srdl.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", ["leaderboard", "doctor"])
def test_help_imports_nothing_heavy(command: str) -> None:
    told = run_blocked((*HEAVY, "numpy", "yaml"), command, "--help")
    assert "Example: " in told


def test_doctor_answers_without_torch_and_faiss() -> None:
    tree = json.loads(run_blocked(HEAVY, "doctor", "--json"))
    assert "torch" in tree["torch"]["problem"]
    assert "faiss" in tree["faiss"]["problem"]
    assert "onnxruntime" in tree["integers"]["problem"]
    assert tree["auto"] is None
    assert tree["cores"] >= 1
    told = run_blocked(HEAVY, "doctor", COLUMNS="200")
    assert [line.split()[:4] for line in told.splitlines() if line.startswith("torch")] == [
        ["torch", "cannot", "be", "imported:"]
    ]
    assert "nothing can be trained here" in told


def test_doctor_tells_of_this_machine(tmp_path: Path) -> None:
    tree = json.loads(run_blocked((), "doctor", "--json", REID_SRDL_DATA=str(tmp_path)))
    import faiss
    import torch

    assert tree["torch"]["problem"] is None
    assert tree["packages"]["torch"] == torch.__version__
    assert tree["packages"]["faiss"] == faiss.__version__
    assert len(tree["torch"]["gpus"]) == torch.cuda.device_count()
    assert tree["integers"] == {"problem": None, "exact": is_exact()}
    assert tree["cores"] == len(os.sched_getaffinity(0))
    assert tree["memory"] > 2**28
    assert tree["data"] == {"folder": str(tmp_path), "exists": True, "found": []}


def test_versions_fill_a_record() -> None:
    from reid_srdl.records.run import Versions

    versions = Versions.model_validate(machine.versions())
    assert versions.python == ".".join(map(str, sys.version_info[:3]))
    assert versions.numpy is not None


def test_the_data_folder_is_told_when_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REID_SRDL_DATA", raising=False)
    assert doctor.inspect().data == Data(None, exists=False, found=())
    told = run_blocked(HEAVY, "doctor", REID_SRDL_DATA=str(tmp_path / "gone"), COLUMNS="300")
    assert "gone: no such folder" in told


ONE_EACH = {"training": 1, "query": 1, "gallery": 1}


def a_set(root: Path) -> ReidData:
    one = Crops((root / "0001_c1s1_000001_01.jpg",), np.array([1]), np.array([1]))
    return ReidData("any", root, train=one, query=one, gallery=one, boxes=None)


def stand_in(monkeypatch: pytest.MonkeyPatch, roots: dict[str, Path]) -> None:
    """Puts data sets of known places where doctor looks for the table of data sets."""

    def load_dataset(name: str, data_dir: Path) -> ReidData:
        if name not in roots:
            raise UserError(f"{data_dir}: holds no {name}", "get it")
        return a_set(roots[name])

    import reid_srdl.data

    entry = SimpleNamespace(folders=("Market",), archives=("Market.zip",), task="reid")
    bare = SimpleNamespace(folders=(), archives=(), task="reid")
    table = {"market1501": entry, "folder": bare, "walkers": bare, "other": bare}
    monkeypatch.setattr(reid_srdl.data, "DATASETS", table, raising=False)
    monkeypatch.setattr(reid_srdl.data, "load_dataset", load_dataset, raising=False)


def test_data_sets_under_the_data_folder_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_SRDL_DATA", str(tmp_path))
    stand_in(monkeypatch, {"market1501": tmp_path / "Market", "walkers": tmp_path / "w"})
    found = doctor.inspect().data.found
    assert found == tuple(FoundData(name, ONE_EACH) for name in ("market1501", "walkers"))


def test_a_zip_is_told_and_not_extracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_SRDL_DATA", str(tmp_path))
    (tmp_path / "Market.zip").touch()
    stand_in(monkeypatch, {"market1501": tmp_path / "extracted"})
    assert doctor.inspect().data.found == (FoundData("market1501", packed=True),)


def test_a_classification_set_is_found_without_reading_it(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test", "meta"):
        (folder / name).touch()
    told = run_blocked(HEAVY, "doctor", REID_SRDL_DATA=str(tmp_path), COLUMNS="300")
    assert f"{tmp_path}: cifar100" in told


def test_a_folder_that_is_a_set_itself_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_SRDL_DATA", str(tmp_path))
    stand_in(monkeypatch, {"market1501": tmp_path, "folder": tmp_path, "walkers": tmp_path})
    assert doctor.inspect().data.found == (FoundData(tmp_path.name, ONE_EACH),)


def test_auto_is_what_the_trainer_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    from reid_srdl.training import precision

    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: False)
    chosen = precision.choose()
    auto = doctor.inspect().auto
    threads = machine.named_threads() or machine.available_cores()
    assert auto == Choice(str(chosen.device), chosen.precision, threads)
    assert doctor.inspect().torch.bf16 is False
