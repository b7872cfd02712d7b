"""What must not wait for torch: every command's help, every method's options, evaluation."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "torchreid", "faiss", "scipy", "sklearn")
COMMANDS = (
    [],
    ["train"],
    ["eval"],
    ["extract"],
    ["compare"],
    ["search"],
    ["index-study"],
    ["leaderboard"],
    ["analyse"],
    ["analyse", "width"],
    ["analyse", "entropy"],
    ["analyse", "ensemble"],
    ["doctor"],
    ["data"],
    ["data", "check"],
    ["data", "list"],
    ["data", "make"],
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
        "needed = {'kd': {'teacher': 'resnet50'}}\n"
        "for name in OPTIONS:\n"
        "    print(resolve({'method': {'name': name, **needed.get(name, {})}}, OPTIONS).method)"
    )
    done = run_without_heavy(code)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 3


def test_the_public_names_are_all_there() -> None:
    import reid_srdl

    for name in reid_srdl.__all__:
        value = getattr(reid_srdl, name)
        assert value is not None
        assert type(value).__name__ != "module", name
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = reid_srdl.nothing_such
