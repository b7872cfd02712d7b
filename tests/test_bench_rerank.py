"""tools/bench_rerank.py runs both sides, and they agree."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.retrieval.test_rerank import dense_final, people

TOOL = Path(__file__).parent.parent / "tools" / "bench_rerank.py"


def _tool() -> Any:
    spec = importlib.util.spec_from_file_location("bench_rerank", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_sides_agree(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    options = ["--images", "900", "--dim", "32", "--repeats", "1", "--json", str(out)]
    done = subprocess.run(
        [sys.executable, str(TOOL), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert (found["queries"], found["gallery"]) == (131, 769)
    assert abs(found["mAP_difference"]) < 1e-4
    runs = found["runs"]
    assert runs["dense"]["mAP"] > runs["plain"]["mAP"] + 0.01
    assert found["ratio"] == runs["dense"]["seconds"] / runs["ours"]["seconds"]


@pytest.mark.parametrize("k2", [1, 6])
def test_the_dense_side_is_the_papers(k2: int) -> None:
    features = people(0, queries=20, gallery=150)
    query, gallery = features.query.features, features.gallery.features
    expected = dense_final(query.astype(np.float64), gallery.astype(np.float64), 20, k2, 0.3)
    assert _tool().dense_distances(query, gallery, 20, k2) == pytest.approx(expected, abs=1e-4)
