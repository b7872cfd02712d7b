"""Per-query results read back from files and records."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl.config.protocol import Expand, Protocol, Rerank
from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate
from reid_srdl.records.pairing import check_pair
from reid_srdl.records.per_query import Side, read_results
from reid_srdl.records.queries import QueryScores, ScoredQueries, scored_queries
from reid_srdl.records.store import write_record
from reid_srdl.records.tables import write_per_query
from reid_srdl.retrieval.features import Features
from tests.records.factory import features_record, per_query, record
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
    told = scored_queries(result.single, result.multi)
    assert read.single == told.single_query
    assert read.multi == told.multi_query
    assert np.array_equal(read.single.fractions("inp"), result.single.inp, equal_nan=True)
    assert (read.single.ap[4] is None) == (rules == "ours")


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_files_tell_changed_ranks_and_test_images(tmp_path: Path, suffix: str) -> None:
    rules = Protocol(rerank=Rerank(method="k-reciprocal", k1=5, k2=2))
    result = evaluate(features())
    path = tmp_path / f"q{suffix}"
    told = {"labels": "a" * 32, "content": "b" * 32}
    write_per_query(path, result.single, None, rules, **told)
    read = read_results(path)
    assert read.departures == rules.departures()
    assert read.departures["rerank"] == "k-reciprocal, k1 5, k2 2, lambda 0.3"
    assert (read.labels, read.content) == ("a" * 32, "b" * 32)


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        (Protocol(), Protocol(rerank=Rerank(method="k-reciprocal")), "rerank"),
        (Protocol(expand=Expand(method="aqe", n=5)), Protocol(), "expand"),
        (Protocol(expand=Expand(method="aqe", n=5)), Protocol(expand=Expand(method="aqe")), "n 10"),
        (Protocol(index="LSH", retrieved=5), Protocol(index="LSH", retrieved=6), "6 retrieved"),
    ],
)
def test_compare_names_how_ranks_were_changed(one: Protocol, other: Protocol, key: str) -> None:
    scores = per_query().single_query
    a, b = (Side("x", scores, protocol=p, departures=p.departures()) for p in (one, other))
    (line,) = [line for line in check_pair(a, b) if "evaluated differently" in line]
    assert key in line
    for alike in (a, Side("x", scores, protocol=one)):
        assert not any("evaluated differently" in line for line in check_pair(alike, alike))


def test_files_without_rules_are_read(tmp_path: Path) -> None:
    result = evaluate(features())
    write_per_query(tmp_path / "q.csv", result.single)
    read = read_results(tmp_path / "q.csv")
    assert read.protocol is None
    assert read.multi is None


def test_records_are_read_with_and_without_names(tmp_path: Path) -> None:
    write_record(tmp_path / "unnamed", record(per_query={"final": per_query()}))
    unnamed = read_results(tmp_path / "unnamed")
    assert unnamed.dataset == "market1501"
    assert unnamed.protocol == Protocol()
    assert unnamed.single.pids is unnamed.single.inp is unnamed.single.names is None
    assert np.isnan(unnamed.single.fractions("ap")[2])
    assert unnamed.single.first_rank == (1, 3, None, 2)
    told = {"pids": (1, 1, 2, 3), "camids": (1, 2, 1, 1), "inp": (1.0, 0.3, None, 0.5)}
    scores = QueryScores(
        **{**per_query().single_query.model_dump(), **told, "names": tuple("abcd")}
    )
    write_record(
        tmp_path / "named", record(per_query={"final": ScoredQueries(single_query=scores)})
    )
    named = read_results(tmp_path / "named/record.json")
    assert named.single.pids == (1, 1, 2, 3)
    assert named.single.names == ("a", "b", "c", "d")
    write_record(tmp_path / "theirs", features_record())
    theirs = read_results(tmp_path / "theirs")
    assert (theirs.dataset, theirs.labels) == (None, "f" * 32)
    assert theirs.single == per_query().single_query
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
        ([row(rerank="none"), row(rerank="k-reciprocal, k1 9")], r"different rules"),
        ([row(content="a"), row(content="b")], r"different test images"),
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
