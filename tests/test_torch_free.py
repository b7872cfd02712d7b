"""What must not wait for torch: every command's help, every method's options, evaluation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HEAVY = ("torch", "torchvision", "torchreid", "faiss", "scipy", "sklearn")
KINDS = ("pids", "camids")
COMMANDS = (
    [],
    ["train"],
    ["eval"],
    ["extract"],
    ["export"],
    ["embed"],
    ["compare"],
    ["cross"],
    ["search"],
    ["index-study"],
    ["leaderboard"],
    ["report"],
    ["curves"],
    ["profile"],
    ["analyse"],
    ["analyse", "width"],
    ["analyse", "entropy"],
    ["analyse", "ensemble"],
    ["analyse", "activation"],
    ["doctor"],
    ["data"],
    ["data", "check"],
    ["data", "list"],
    ["data", "make"],
    ["runs", "list"],
    ["runs", "check"],
    ["runs", "prune"],
    ["cache", "list"],
    ["cache", "clear"],
    ["study"],
    ["study", "run"],
    ["study", "show"],
    ["study", "list"],
)


def run_without_heavy(code: str) -> subprocess.CompletedProcess[str]:
    blocked = f"import sys\nfor name in {HEAVY!r}: sys.modules[name] = None\n"
    return subprocess.run(
        [sys.executable, "-c", blocked + code], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_needs_nothing_heavy(command: list[str]) -> None:
    arguments = ["reid-srdl", *command, "--help"]
    code = f"import sys; sys.argv = {arguments!r}\nfrom reid_srdl.cli import main\nmain()"
    done = run_without_heavy(code)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    if command not in ([], ["analyse"], ["data"], ["data", "make"], ["study"]):
        assert "Example" in done.stdout


@pytest.mark.parametrize(
    "modules",
    [
        "reid_srdl.methods, reid_srdl.models, reid_srdl.config, reid_srdl.data",
        "reid_srdl.evaluation, reid_srdl.records.store, reid_srdl.records.leaderboard, "
        "reid_srdl.records.comparison",
        "reid_srdl.records.studies, reid_srdl.report.study, reid_srdl.jobs.studies.run",
    ],
)
def test_these_modules_need_nothing_heavy(modules: str) -> None:
    done = run_without_heavy(f"import {modules}")
    assert done.returncode == 0, done.stderr


def test_every_methods_options_validate_without_torch() -> None:
    code = (
        "from reid_srdl.config import resolve\nfrom reid_srdl.methods import OPTIONS\n"
        "taught = dict.fromkeys(('kd', 'fitnet', 'at', 'rkd', 'dkd'), {'teacher': 'resnet50'})\n"
        "for name in OPTIONS:\n"
        "    print(resolve({'method': {'name': name, **taught.get(name, {})}}, OPTIONS).method)"
    )
    done = run_without_heavy(code)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 16


def test_features_alone_are_evaluated_without_images_and_records(tmp_path: Path) -> None:
    """Their modules would make up a fifth of the start."""
    file = tmp_path / "f.npz"
    rows = {f"{part}_{kind}": np.arange(4) for part in ("query", "gallery") for kind in KINDS}
    rows |= {"gallery_camids": np.zeros(4, np.int64), "query_camids": np.ones(4, np.int64)}
    features = {f"{part}_features": np.eye(4, dtype=np.float32) for part in ("query", "gallery")}
    np.savez(file, **rows, **features)
    code = (
        f"import sys; sys.argv = ['reid-srdl', 'eval', '--features', {str(file)!r}, '--json']\n"
        "import atexit\n"
        "unneeded = {'PIL', 'filelock', 'reid_srdl.data', 'reid_srdl.records.run'}\n"
        "atexit.register(lambda: print(sorted(unneeded & set(sys.modules)), file=sys.stderr))\n"
        "from reid_srdl.cli import main\nmain()"
    )
    done = run_without_heavy(code)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "[]\n"


def test_the_public_names_are_all_there() -> None:
    import reid_srdl

    for name in reid_srdl.__all__:
        value = getattr(reid_srdl, name)
        assert value is not None
        assert type(value).__name__ != "module", name
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = reid_srdl.nothing_such
