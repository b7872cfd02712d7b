"""Rank lists against a full sort by the definition, and the files they go to."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate
from reid_srdl.evaluation.rank_lists import rank_lists
from reid_srdl.records.tables import write_per_query, write_rank_lists
from reid_srdl.retrieval.features import Features, FeatureSet
from tests.retrieval.brute import distance_table, random_features


def _brute(features: Features, k: int) -> list[list[int]]:
    query, gallery = features.query, features.gallery
    table = distance_table(query, gallery)
    lists = []
    for i in range(len(query)):
        order = sorted(range(len(gallery)), key=lambda j: (table[i][j], j))
        own = [j for j in order if gallery.pids[j] == query.pids[i]]
        ignored = {j for j in own if gallery.camids[j] == query.camids[i]}
        lists.append([j for j in order if gallery.pids[j] != -1 and j not in ignored][:k])
    return lists


@pytest.mark.parametrize("k", [1, 4, 17, 300])
@pytest.mark.parametrize("values", [None, [0.0, 1.0], [2.0]], ids=["plain", "ties", "equal"])
def test_lists_equal_a_full_sort(k: int, values: list[float] | None) -> None:
    rng = np.random.default_rng(k)
    drawn = None if values is None else np.float32(values)
    features = random_features(rng, queries=10, gallery=300, dim=4, ids=4, values=drawn)
    lists = rank_lists(features, k=k)
    assert [found.gallery.tolist() for found in lists] == _brute(features, k)
    for found in lists:
        pids = features.gallery.pids[found.gallery]
        assert np.array_equal(found.match, pids == features.query.pids[found.query])
        assert (np.diff(found.distances) >= 0).all()


def test_distances_are_euclidean_or_cosine() -> None:
    query = FeatureSet(np.float32([[3, 0]]), np.array([1]), np.array([1]))
    gallery = FeatureSet(np.float32([[3, 4], [0, 5]]), np.array([1, 2]), np.array([2, 2]))
    features = Features(query, gallery)
    (plain,) = rank_lists(features, k=2)
    assert plain.gallery.tolist() == [0, 1]
    assert plain.distances == pytest.approx([4, 34**0.5])
    (cosine,) = rank_lists(features, Protocol(distance="cosine"), k=2)
    assert cosine.distances == pytest.approx([1 - 0.6, 1])


@pytest.mark.parametrize("k", [0, -1, 61])
def test_a_length_outside_the_gallery_is_an_error(k: int) -> None:
    with pytest.raises(UserError, match="rank lists of length"):
        rank_lists(random_features(np.random.default_rng(0)), k=k)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_written_lists_and_results_read_back(tmp_path: Path, suffix: str) -> None:
    query = FeatureSet(np.float32([[0], [9]]), np.array([1, 5]), np.array([1, 1]), ("a", "b"))
    gallery = FeatureSet(np.float32([[1], [2]]), np.array([7, 1]), np.array([2, 3]), ("é, 1", "y"))
    features = Features(query, gallery, FeatureSet(np.float32([[0]]), np.array([1]), np.array([1])))
    write_rank_lists(tmp_path / f"lists{suffix}", features, rank_lists(features, k=2))
    rows = _read(tmp_path / f"lists{suffix}")
    assert len(rows) == 4
    told = ("query_name", "rank", "gallery_name", "gallery_camid", "distance", "match")
    assert [str(rows[1][key]) for key in told] == ["a", "2", "y", "3", "2.0", "True"]
    assert rows[0]["gallery_name"] == "é, 1"

    result = evaluate(features)
    write_per_query(tmp_path / f"queries{suffix}", result.single, result.multi)
    rows = _read(tmp_path / f"queries{suffix}")
    assert [row["mode"] for row in rows] == ["single", "single", "multi", "multi"]
    assert [float(rows[0][key]) for key in ("ap", "inp", "first_rank")] == [0.5, 0.5, 2]
    assert rows[1]["name"] == "b"
    assert rows[1]["ap"] in ("", None)


def _read(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".json":
        rows: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
        return rows
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither \.csv nor \.json"):
        write_rank_lists(tmp_path / "lists.txt", random_features(np.random.default_rng(0)), [])
    assert not list(tmp_path.iterdir())
