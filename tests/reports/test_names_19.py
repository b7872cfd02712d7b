"""Failing input 19: names that are not UTF-8, hold control characters, or look like formulas."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reid_srdl.evaluation import evaluate
from reid_srdl.records.tables import write_per_query, write_rank_lists
from reid_srdl.retrieval.features import Features, FeatureSet

NAMES = {
    os.fsdecode(b"caf\xff.jpg"): "caf\\xff.jpg",
    "a\x1b[31mred.jpg": "a\\x1b[31mred.jpg",
    "two\nlines\r.jpg": "two\\nlines\\r.jpg",
    "\x00bel\x07\x9b.jpg": "\\x00bel\\x07\\x9b.jpg",
    "plain é 1.jpg": "plain é 1.jpg",
}
FORMULAS = ("=1+1", "@SUM(A1)", "+1+1", "-1+1", "\t=1")


def features(names: tuple[str, str]) -> Features:
    def part(camid: int) -> FeatureSet:
        return FeatureSet(np.float32([[0], [1]]), np.array([1, 2]), np.full(2, camid), names)

    return Features(part(1), part(2))


def written(folder: Path, suffix: str, names: tuple[str, str]) -> list[dict[str, Any]]:
    """The rows of both kinds of file."""
    made = features(names)
    result = evaluate(made)
    write_rank_lists(folder / f"l{suffix}", made, result.lists(2))
    write_per_query(folder / f"q{suffix}", result.single)
    rows: list[dict[str, Any]] = []
    for file in (folder / f"l{suffix}", folder / f"q{suffix}"):
        text = file.read_bytes().decode("utf-8")
        assert not any(ord(sign) < 32 and sign != "\n" for sign in text)
        rows += json.loads(text) if suffix == ".json" else csv.DictReader(text.splitlines())
    return rows


@pytest.mark.parametrize("suffix", [".csv", ".json"])
@pytest.mark.parametrize("name", NAMES)
def test_names_are_escaped(tmp_path: Path, suffix: str, name: str) -> None:
    rows = written(tmp_path, suffix, (name, "b"))
    assert len(rows) == 6
    assert rows[0]["query_name"] == rows[0]["gallery_name"] == rows[4]["name"] == NAMES[name]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_a_formula(tmp_path: Path, formula: str) -> None:
    rows = written(tmp_path, ".csv", (formula, "b"))
    for cell in (rows[0]["query_name"], rows[0]["gallery_name"], rows[4]["name"]):
        assert cell[0] not in "=@+-\t"
    assert rows[0]["distance"] == "0.0"


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(min_size=1, max_size=12))
def test_any_name_is_written(tmp_path: Path, name: bytes) -> None:
    for suffix in (".csv", ".json"):
        assert len(written(tmp_path, suffix, (os.fsdecode(name), "b"))) == 6
