"""tools/bench_train.py runs and reports what it took; its images look like the real ones."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TOOL = Path(__file__).parent.parent / "tools" / "bench_train.py"


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("bench_train", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_benchmark_measures(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    options = ["--batch-size", "8", "--images", "64", "--steps", "2", "--turns", "2"]
    options += ["--warm-up", "1", "--workers", "0", "--threads", "1", "--json", str(out)]
    done = subprocess.run(
        [sys.executable, str(TOOL), *options, "--device", "cpu"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "plain recipe" in done.stdout
    report = json.loads(out.read_text())
    plain, ours = report["rows"]
    assert plain["ratios"] == [1, 1]
    assert all(len(row["turns"]) == 2 and min(row["turns"]) > 0 for row in (plain, ours))
    assert all(
        0 < row["waiting_for_data"] < 1 and row["batch_seconds"] > 0 for row in (plain, ours)
    )
    assert report["data"] == "generated pixels"


def test_the_pipeline_is_timed_with_each_augmentation(tmp_path: Path) -> None:
    out = tmp_path / "pipeline.json"
    options = ["--pipeline", "--size", "32", "16", "--batch-size", "4", "--pipeline-images", "8"]
    options += ["--steps", "2", "--turns", "1", "--threads", "1", "--json", str(out)]
    done = subprocess.run(
        [sys.executable, str(TOOL), *options, "--device", "cpu"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())["rows"]
    assert [row["name"] for row in rows][:3] == ["crop and flip", "padding with zeros", "erasing"]
    assert rows[0]["ratio"] == 1
    assert all(row["batch_seconds"] > 0 and row["images_per_second"] > 0 for row in rows)
    assert "all colours, hue too" in done.stdout


def test_ratios_are_taken_turn_by_turn(tool: Any) -> None:
    def turns(*seconds: float) -> list[dict[str, float]]:
        return [{"seconds": s, "cpu": s**2, "waited": s / 10, "prepared": 0.5} for s in seconds]

    row = tool.row("x", turns(1, 2, 10), turns(3, 4, 50), images=60)
    assert row["ratios"] == [3, 2, 5]
    assert row["ratio"] == 3
    assert row["cpu_ratio"] == 9
    assert row["images_per_second"] == 30
    assert row["waiting_for_data"] == pytest.approx(0.1)


def test_generated_images_have_the_data_sets_form(tool: Any) -> None:
    made = tool.data_set(None, 50)
    assert made.data.shape == (50, 32, 32, 3)
    assert made.data.dtype == np.uint8
    image, label = made[7]
    assert image.size == (32, 32)
    assert label == made.targets[7] in range(100)
