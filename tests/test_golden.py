"""tools/golden compares two commits, and notices what differs and what fails."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

TOOL = Path(__file__).parent.parent / "tools" / "golden"


@pytest.fixture(scope="module")
def tool() -> Any:
    loader = SourceFileLoader("golden", str(TOOL))
    spec = importlib.util.spec_from_loader("golden", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["golden"] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module


@pytest.mark.skipif(not (TOOL.parent.parent / ".git").exists(), reason="not a git checkout")
def test_a_commit_equals_itself(tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    done = subprocess.run(
        [sys.executable, str(TOOL), "HEAD", "HEAD", "--only", "rules official", "--json", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(out.read_text())
    assert told["base"] == told["head"]
    assert len(told["base"]) == 40
    rows = told["rows"]
    assert [row["what"] for row in rows] == [
        "eval --rules official",
        "eval --engine faiss --rules official",
    ]
    assert all(row["difference"] == 0 for row in rows)
    assert rows[0]["base"] == rows[1]["head"]  # the engines agree, too
    assert "2 compared, 0 differ" in done.stdout


def test_a_commit_that_is_not_there_is_told() -> None:
    done = subprocess.run(
        [sys.executable, str(TOOL), "no-such-commit", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no-such-commit" in done.stderr
    assert "Traceback" not in done.stderr


def test_weights_are_the_same_by_other_names(tool: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape).astype("f4") for shape in ((3, 4), (3, 4), (4,), ())]
    for folder, names in (("a", "wxyz"), ("b", "zyxw")):
        (tmp_path / folder).mkdir()
        tensors = dict(zip(names, values, strict=True))
        save_file(tensors, tmp_path / folder / "net.safetensors")
    ours, theirs = tool.weights(tmp_path / "a"), tool.weights(tmp_path / "b")
    assert len(ours) == 4
    assert tool.digest(ours) == tool.digest(theirs)
    assert tool.difference(ours, theirs) == 0
    values[1][0, 0] += 2**-10
    save_file(dict(zip("wxyz", values, strict=True)), tmp_path / "b" / "net.safetensors")
    other = tool.weights(tmp_path / "b")
    assert tool.digest(ours) != tool.digest(other)
    assert tool.difference(ours, other) == pytest.approx(2**-10, rel=1e-3)


def test_figures_are_numbers_by_their_paths(tool: Any) -> None:
    printed = {"single": {"mAP": 0.5, "rank1": 1}, "protocol": {"distractors": 3}, "spread": None}
    assert tool.figures(printed) == {"single/mAP": 0.5, "single/rank1": 1.0}


def test_float64_may_differ_by_rounding_alone(tool: Any) -> None:
    names = [name for name in tool.cases() if name.endswith(tool.FLOAT64)]
    assert len(names) == 6  # three methods on two data sets

    def row(far: float) -> Any:
        sides = [{"w": np.array([200.0, 1.0])}, {"w": np.array([200.0, 1.0 + far])}]
        return tool.compared("x", sides, lambda side: side, tool.ROUNDING)

    assert row(0.0).same
    assert row(1e-8).same  # of 200
    assert row(1e-8).difference == pytest.approx(5e-11, rel=1e-3)
    assert not row(4e-8).same
    nothing = [{"w": np.zeros(2)}, {"w": np.zeros(2)}]
    assert tool.compared("x", nothing, lambda side: side, tool.ROUNDING).same


def test_what_differs_or_fails_is_no_equal_row(tool: Any) -> None:
    def row(base: Any, head: Any) -> Any:
        def values(side: Any) -> Any:
            if isinstance(side, Exception):
                raise side
            return {name: np.float64(value) for name, value in side.items()}

        return tool.compared("x", [base, head], values)

    assert row({"mAP": 0.5}, {"mAP": 0.5}).same
    off = row({"mAP": 0.5}, {"mAP": 0.5 + 1e-16 * 2})
    assert off.difference > 0
    assert not off.same
    assert not row({"mAP": 0.5}, {"mAP": 0.5, "mINP": 0.1}).same
    assert not row({}, {}).same
    failed = RuntimeError("error: no")
    assert not row(failed, failed).same
    assert row(failed, {"mAP": 1}).base == "failed: error: no"
