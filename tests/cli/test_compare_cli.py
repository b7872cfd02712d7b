"""``reid-srdl compare``, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.config.protocol import Protocol
from reid_srdl.evaluation import evaluate
from reid_srdl.records.comparison import Settings, compare
from reid_srdl.records.per_query import read_results
from reid_srdl.records.store import write_record
from reid_srdl.records.tables import write_per_query
from reid_srdl.retrieval.features import Features
from tests.cli.run import assert_told, reid_srdl
from tests.records.factory import per_query, record
from tests.retrieval.brute import random_features


def write(
    path: Path, *, noise: float, seed: int = 0, rules: str = "ours", queries: int = 60
) -> None:
    """Per-query results of features that tell people apart, the worse the noisier."""
    rng = np.random.default_rng(seed)
    base = random_features(np.random.default_rng(0), queries=queries, gallery=300, ids=20)
    people = np.random.default_rng(1).standard_normal((22, 8))
    for part in (base.query, base.gallery):
        x = people[part.pids + 1] + noise * rng.standard_normal(part.features.shape)
        part.features[:] = x.astype(np.float32)
    result = evaluate(Features(base.query, base.gallery), Protocol(rules=rules))
    write_per_query(path, result.single, result.multi, result.evaluation.protocol)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path / "a.csv", noise=1.0)
    write(tmp_path / "b.json", noise=0.6)
    return tmp_path


def test_table_json_and_python_say_the_same(place: Path) -> None:
    told = reid_srdl("compare", "a.csv", "b.json", "--json", "--resamples", "500", cwd=place)
    assert told.returncode == 0, told.stderr
    tree = json.loads(told.stdout)
    assert tree.pop("verdict").startswith("B is better: its mAP is ")
    sides = (read_results(place / name) for name in ("a.csv", "b.json"))
    expected = compare(*sides, Settings(resamples=500)).model_dump(mode="json")
    assert {**expected, "a": "a.csv", "b": "b.json"} == tree
    shown = reid_srdl("compare", "a.csv", "b.json", "--by", "query", "--seed", "3", cwd=place)
    assert shown.returncode == 0, shown.stderr
    for word in ("B is better", "Rank-1", "mINP", "95 % interval", "seed 3", "too narrow"):
        assert word in shown.stdout
    assert shown.stderr == ""


def test_the_same_results_do_not_differ(place: Path) -> None:
    done = reid_srdl("compare", "a.csv", "a.csv", "--json", cwd=place)
    tree = json.loads(done.stdout)
    assert tree["verdict"] == "A and B do not differ: the same mAP on every query."
    assert {score["p"] for score in tree["single_query"]["scores"]} == {1.0}


def test_runs_are_compared_by_their_records(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_record(tmp_path / "runs" / name, record(per_query={"final": per_query()}))
    old = ("compare", "runs/one", "runs/two")
    done = reid_srdl(*old, cwd=tmp_path)
    assert_told(done, "neither result names its queries' identities", "--by query")
    done = reid_srdl(*old, "--by", "query", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "A and B do not differ" in done.stdout
    assert "paired by their order alone" in done.stderr


def test_what_cannot_be_compared_is_told_in_two_lines(place: Path) -> None:
    write(place / "few.csv", noise=1.0, queries=50)
    write(place / "official.csv", noise=1.0, rules="official")
    for other, words, status in (
        ("few.csv", ("A has 60 single-queries, B has 50",), 1),
        ("official.csv", ("rules of 'ours'", "'official'", "--rules"), 1),
        ("none.csv", ("none.csv: no such run or file",), 1),
    ):
        done = reid_srdl("compare", "a.csv", other, cwd=place)
        assert_told(done, *words, status=status)
        assert done.stdout == ""
    assert reid_srdl("compare", "a.csv", cwd=place).returncode == 2
