"""``reid-srdl eval --rules``, as a user runs it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.config.protocol import Protocol
from reid_srdl.evaluation import evaluate
from reid_srdl.feature_files.reading import load_features
from tests.cli.run import assert_told, reid_srdl
from tests.retrieval.test_features import good_arrays, write_npz


@pytest.fixture
def file(tmp_path: Path) -> Path:
    arrays = good_arrays()
    arrays["query_pids"] = np.array([0, 1, 2, 77])
    arrays["gallery_pids"][-1] = -1
    return write_npz(tmp_path / "f.npz", arrays)


@pytest.mark.parametrize("rules", ["official", "torchreid", "fastreid"])
def test_rules_reach_scores_files_and_warnings(file: Path, tmp_path: Path, rules: str) -> None:
    queries = tmp_path / "queries.csv"
    options = ("--features", file, "--rules", rules, "--json", "--per-query", queries)
    done = reid_srdl("eval", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    expected = evaluate(load_features(file), Protocol(rules=rules)).evaluation
    assert told == json.loads(expected.model_dump_json())
    warning = "without a match count as 0" if rules == "official" else "count as negatives"
    assert warning in done.stderr
    rows = list(csv.DictReader(queries.read_text().splitlines()))
    assert {row["rules"] for row in rows} == {rules}
    assert rows[3]["first_rank"] == ""
    assert rows[3]["ap"] == ("0.0" if rules == "official" else "")
    table = reid_srdl("eval", "--features", file, "--rules", rules, cwd=tmp_path)
    assert f"rules of {rules}" in table.stdout
    assert "not reproduced:" in table.stdout


def test_unknown_rules_are_refused(file: Path, tmp_path: Path) -> None:
    done = reid_srdl("eval", "--features", file, "--rules", "nobody", cwd=tmp_path)
    assert done.returncode == 2
    assert "nobody" in done.stderr
    assert done.stdout == ""
    options = ("train", "--set", "eval.rules=nobody", "--print-config")
    assert_told(reid_srdl(*options, cwd=tmp_path), "eval.rules", "nobody", status=2)
