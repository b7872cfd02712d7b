"""Benchmarks of evaluation run, agree, and notice where results do not."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TOOL = Path(__file__).parent.parent / "tools" / "bench_eval.py"
ABLATION = TOOL.with_name("ablate_counting.py")


def _tool(file: Path = TOOL) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_benchmark_measures_and_agrees(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    options = ["--size", "tiny", "--dim", "32", "--repeats", "1", "--engines", "count,loop,faiss"]
    options += ["--products", "numpy", "--json", str(out)]
    done = subprocess.run(
        [sys.executable, str(TOOL), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(out.read_text())["sets"]
    rows = {row["name"].split(",")[-1].strip(): row for row in found["rows"]}
    assert rows["count"]["scores"] == rows["faiss"]["scores"]
    assert rows["count"]["scores"] == rows["loop"]["scores"]
    assert 0.5 < rows["count"]["scores"]["mAP"] < 0.9
    assert all(row["min"] > 0 for row in rows.values())
    assert rows["count"]["left_open"] >= rows["count"]["undecided"] >= 0
    assert rows["count"]["whole"] > rows["count"]["min"]
    torchreid = found["rows"][-1]
    assert abs(torchreid["scores"]["mAP"] - rows["count"]["scores"]["mAP"]) < 1e-6


def test_disagreement_is_noticed() -> None:
    rows = [
        {"name": "reid-srdl, count", "scores": {"mAP": 0.5}},
        {"name": "reid-srdl, faiss", "scores": {"mAP": 0.5 + 1e-12}},
        {"name": "torchreid, Python", "scores": {"mAP": 0.5 + 1e-9}},
    ]
    (line,) = _tool().disagreements({"set": "x", "rows": rows})
    assert "faiss" in line


def test_collapsed_features_nearly_tie(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    options = ["--size", "tiny", "--dim", "64", "--repeats", "1", "--kind", "collapsed"]
    options += ["--products", "numpy", "--torchreid-pairs", "0", "--json", str(out)]
    done = subprocess.run(
        [sys.executable, str(TOOL), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(out.read_text())["sets"]
    (row,) = [row for row in found["rows"] if row["name"].endswith("count")]
    assert row["scores"]["mAP"] < 0.1
    assert row["left_open"] >= row["undecided"] > 0


def test_parts_are_switched_off_one_at_a_time(tmp_path: Path) -> None:
    out = tmp_path / "parts.json"
    options = ["--size", "tiny", "--dim", "32", "--kind", "isotropic", "--pairs", "2"]
    options += ["--only", "own bounds", "--only", "shares", "--only", "loop", "--json", str(out)]
    done = subprocess.run(
        [sys.executable, str(ABLATION), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(out.read_text())
    bounds, shares, loop = (found["parts"][name] for name in ("own bounds", "shares", "loop"))
    assert bounds["open"][1] > bounds["open"][0]  # more pairs need a closer look without them
    assert len(bounds["ratios"]) == len(loop["ratios"]) == 2
    assert shares["ratios"] == []  # so few queries are never shared out
    assert "without shares: not used" in done.stdout


def test_the_interval_of_21_pairs() -> None:
    assert _tool(ABLATION).interval([float(i) for i in range(21)]) == (5.0, 15.0)
