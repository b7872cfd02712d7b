"""tools/bench_scale.py measures growing galleries, in one process and in two."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parent.parent / "tools" / "bench_scale.py"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_the_benchmark_measures_every_size(tmp_path: Path) -> None:
    out, figure = tmp_path / "scale.json", tmp_path / "scale.svg"
    options = ["--sizes", "900,1800", "--queries", "40", "--dim", "64", "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, str(TOOL), *options, "--json", str(out), "--plot", str(figure)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(out.read_text())
    assert [row["gallery"] for row in told["rows"]] == [900, 1800]
    for row in told["rows"]:
        assert row["queries"] == 40
        assert 0.3 < row["mAP"] <= 1
        assert row["bytes"] > row["gallery"] * 64 * 2
        assert row["RssAnon"] > 0
        assert row["RssFile"] > 0
        assert row["pairs_per_second"] == 40 * row["gallery"] / row["seconds"]
    for kind, line in told["lines"].items():
        for row in told["rows"]:
            fitted = line["fixed"] + line["slope"] * row["gallery"]
            assert fitted == pytest.approx(row[kind], rel=line["departure"] + 1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scale.json", "scale.svg"]
    assert "<svg" in figure.read_text()


def test_a_figure_of_no_kind_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(TOOL), "--sizes", "900", "--plot", str(tmp_path / "scale.txt")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "not a figure by its name" in done.stderr
    assert not done.stdout
