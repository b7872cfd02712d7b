"""Per-query results read back from files and records."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate
from reid_srdl.records.per_query import read_results
from reid_srdl.records.run import PerQuery, QueryScores
from reid_srdl.records.store import write_record
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.result import Protocol
from reid_srdl.retrieval.tables import write_per_query
from tests.records.factory import per_query, record
from tests.retrieval.brute import random_features


def features() -> Features:
    made = random_features(np.random.default_rng(0), queries=20)
    made.query.pids[4] = 99  # nobody's
    return Features(made.query, made.gallery, made.gallery)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
@pytest.mark.parametrize("rules", ["ours", "official"])
def test_files_read_back_as_they_were_written(tmp_path: Path, suffix: str, rules: str) -> None:
    result = evaluate(features(), Protocol(rules=rules))
    path = tmp_path / f"q{suffix}"
    write_per_query(path, result.single, result.multi, result.evaluation.protocol)
    read = read_results(path)
    assert read.protocol == Protocol(rules=rules, normalize=rules == "official")
    assert (read.label, read.dataset) == (str(path), None)
    for ours, theirs in ((result.single, read.single), (result.multi, read.multi)):
        assert ours is not None
        assert theirs is not None
        for key in ("ap", "ap_trapezoid", "inp", "first_rank", "pids", "camids"):
            assert np.array_equal(
                getattr(ours, key), getattr(theirs, key), equal_nan=key[:2] in ("ap", "in")
            ), key
        assert theirs.names is None
    assert np.isnan(read.single.ap[4]) == (rules == "ours")


def test_files_without_rules_are_read(tmp_path: Path) -> None:
    result = evaluate(features())
    write_per_query(tmp_path / "q.csv", result.single)
    read = read_results(tmp_path / "q.csv")
    assert read.protocol is None
    assert read.multi is None


def test_records_are_read_old_and_new(tmp_path: Path) -> None:
    write_record(tmp_path / "old", record(per_query={"final": per_query()}))
    old = read_results(tmp_path / "old")
    assert old.dataset == "market1501"
    assert old.protocol == Protocol()
    assert old.single.pids is old.single.inp is old.single.names is None
    assert np.isnan(old.single.ap[2])
    assert old.single.first_rank.tolist() == [1, 3, 0, 2]
    told = {"pids": (1, 1, 2, 3), "camids": (1, 2, 1, 1), "inp": (1.0, 0.3, None, 0.5)}
    scores = QueryScores(
        **{**per_query().single_query.model_dump(), **told, "names": tuple("abcd")}
    )
    write_record(tmp_path / "new", record(per_query={"final": PerQuery(single_query=scores)}))
    new = read_results(tmp_path / "new/record.json")
    assert new.single.pids is not None
    assert new.single.pids.tolist() == [1, 1, 2, 3]
    assert new.single.names == ("a", "b", "c", "d")
    with pytest.raises(ValueError, match="ap and pids differ in length"):
        QueryScores(**{**scores.model_dump(), "pids": (1, 2)})


def row(**fields: Any) -> dict[str, Any]:
    good = {"mode": "single", "query": 0, "pid": 1, "camid": 1, "name": "x"}
    return {**good, "ap": 0.5, "ap_trapezoid": 0.4, "inp": 0.5, "first_rank": 2, **fields}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in row().items() if name != key}


@pytest.mark.parametrize("suffix", [".csv", ".json"])
@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row(), row(ap=1.5)], r"result 2: ap: Input should be less"),
        ([row(ap="much")], r"result 1: ap: Input should be a valid number"),
        ([row(first_rank=0)], r"result 1: first_rank"),
        ([row(mode="double")], r"result 1: mode"),
        ([row(ap=None)], r"result 1: .*one is there without the other"),
        ([row(first_rank=None)], r"result 1: .*ap and first_rank"),
        ([without("ap_trapezoid")], r"result 1: ap_trapezoid: Field required"),
        ([row(mode="multi")], r"no single-query results"),
        ([], r"no single-query results"),
        ([row(rules="ours"), row(rules="official")], r"different rules"),
    ],
)
def test_damaged_files_are_named(
    tmp_path: Path, suffix: str, rows: list[dict[str, Any]], words: str
) -> None:
    path = tmp_path / f"bad{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0] if rows else row()))
            writer.writeheader()
            writer.writerows(rows)
    with pytest.raises(UserError, match=rf"bad\{suffix}: .*{words}"):
        read_results(path)


def test_what_holds_no_results_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path / "bare", record())
    (tmp_path / "tree.json").write_text("{}")
    (tmp_path / "cut.json").write_text("[{")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    for name, words in (
        ("none", "no such run or file"),
        ("none.csv", "no such run or file"),
        ("notes.txt", "neither a run nor per-query results"),
        ("bare", "no per-query results"),
        ("tree.json", "no list"),
        ("cut.json", "not valid JSON"),
        ("binary.csv", "not a text file"),
        ("empty", "no such record"),
    ):
        with pytest.raises(UserError, match=words):
            read_results(tmp_path / name)
