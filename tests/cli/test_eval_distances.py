"""``reid-srdl eval --distances``, as a user runs it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl.errors import UserError
from reid_srdl.records.run import FeaturesRecord
from reid_srdl.records.store import read_any_record
from tests.cli.run import assert_told, reid_srdl_here
from tests.retrieval.brute import distance_table
from tests.retrieval.test_features import good_arrays, write_npz


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with features and the matrix of their distances, in each form."""
    place, arrays = tmp_path_factory.mktemp("distances"), good_arrays()
    arrays["query_names"] = np.array(["a", "b", "c", "d"])
    write_npz(place / "f.npz", arrays)
    from reid_srdl.feature_files.reading import load_features

    features = load_features(place / "f.npz")
    table = np.array(distance_table(features.query, features.gallery))
    np.save(place / "d.npy", table)
    labels = {name: array for name, array in arrays.items() if not name.endswith("features")}
    write_npz(place / "all.npz", {"distances": table, **labels})
    write_npz(place / "labels.npz", labels)
    write_npz(place / "bare.npz", {"distances": table})
    (place / "folder").mkdir()
    for name, array in labels.items():
        np.save(place / "folder" / f"{name}.npy", array)
    return place


def test_each_form_gives_the_scores_of_the_features(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)

    def scores(*words: str) -> dict[str, Any]:
        done = reid_srdl_here("eval", *words, "--json", streams=capfd)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    wanted = scores("--features", "f.npz")
    one = scores("--distances", "all.npz")
    assert one["single_query"] == wanted["single_query"]
    assert one["protocol"]["distance"] == "given"
    for words in (
        ("--distances", "d.npy", "--labels", "f.npz"),
        ("--distances", "d.npy", "--labels", "folder"),
        ("--distances", "bare.npz", "--labels", "labels.npz"),
    ):
        assert scores(*words) == one


def test_a_matrix_within_an_archive_is_mapped_unless_it_is_compressed(place: Path) -> None:
    from reid_srdl.feature_files.distances import load_distances

    with np.load(place / "all.npz") as found:
        arrays = dict(found)
    table = arrays.pop("distances")
    for number, kind in enumerate((np.float16, np.float32, np.float64)):
        for order in ("C", "F"):
            own = np.asarray(table, kind, order=order)
            np.savez(place / f"k{number}{order}.npz", **arrays, distances=own)
            values = load_distances(place / f"k{number}{order}.npz").values
            assert isinstance(values, np.memmap)
            assert np.array_equal(values, own)
    np.savez_compressed(place / "small.npz", **arrays, distances=table)
    values = load_distances(place / "small.npz").values
    assert not isinstance(values, np.memmap)
    assert np.array_equal(values, table)
    content = bytearray((place / "k2C.npz").read_bytes())
    content[content.index(table.tobytes()) + 3] ^= 1
    (place / "flipped.npz").write_bytes(content)
    with pytest.raises(UserError, match="Bad CRC-32"):
        load_distances(place / "flipped.npz")


def test_records_tables_of_queries_and_comparisons(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return reid_srdl_here(*words, streams=capfd)

    files = ("--per-query", "q.csv", "--rank-lists", "lists.json", "--top-k", "3")
    named = ("--distances", "all.npz", "--name", "matrix")
    done = run("eval", *named, *files)
    assert done.returncode == 0, done.stderr
    assert "distances as they were given" in done.stdout
    assert "record: runs/matrix/record.json" in done.stdout
    record = read_any_record(place / "runs/matrix")
    assert isinstance(record, FeaturesRecord)
    assert record.evaluations[0].settings["distance"] == "given"
    assert (record.dataset.query, record.dataset.gallery) == (4, 9)
    lists = json.loads((place / "lists.json").read_text())
    assert {row["measure"] for row in lists} == {"given"}
    assert [row["query_name"] for row in lists[::3]] == ["a", "b", "c", "d"]
    run("eval", "--features", "f.npz", "--name", "features")
    for side in ("q.csv", "runs/matrix"):
        done = run("compare", side, "runs/features", "--json")
        assert done.returncode == 0, done.stderr
        assert "distance is given in A, euclidean in B" in done.stderr
        assert json.loads(done.stdout)["verdict"].startswith("A and B do not differ")
    again = run("eval", *named, "--rules", "torchreid")
    assert_told(again, "by other settings (rules)", "choose another --name")


def test_similarities_that_are_given_as_distances_are_warned_of(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    persons = np.arange(40) % 8 + 1
    table = (persons[:20, None] - persons[None, 20:]) ** 2.0
    labels = {"query_pids": persons[:20], "gallery_pids": persons[20:]}
    labels |= {"query_camids": np.zeros(20, int), "gallery_camids": np.ones(20, int)}
    for name, values in (("near", table), ("far", -table)):
        np.savez(name, distances=values, **labels)
        done = reid_srdl_here("eval", "--distances", f"{name}.npz", streams=capfd)
        assert done.returncode == 0, done.stderr
        assert ("if these are similarities" in done.stderr) == (name == "far")
    # n / G: 12 queries have 2 matches, 8 have 3, of 20 images.
    assert "below the 12.00 % of a drawn order" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("--distances d.npy", 2, "add --labels FILE"),
        ("--distances bare.npz", 1, "lacks the array query_pids"),
        ("--distances f.npz", 1, "lacks the array distances"),
        ("--distances none.npy --labels f.npz", 1, "none.npy: no such file"),
        ("--distances d.npy --labels d.npy", 2, "not a features file by its name"),
        ("--distances d.npy --labels none.npz", 1, "none.npz: no such file"),
        ("--distances d.txt --labels f.npz", 2, "no file of distances by its name"),
        ("--labels f.npz", 2, "takes one of"),
        ("--features f.npz --labels f.npz", 2, "--labels"),
        ("--features f.npz --distances all.npz", 2, "takes one of"),
        ("--features f.npz --distance given", 2, "eval --distances alone"),
        ("--distances all.npz --rerank k-reciprocal", 2, "distances to each other"),
        ("--distances all.npz --rerank-k1 9", 2, "--rerank-k1: says nothing"),
        ("--distances all.npz --expand aqe", 2, "--expand: says nothing"),
        ("--distances all.npz --engine faiss", 2, "--engine: says nothing"),
        ("--distances all.npz --engine faiss --index HNSW32", 2, "--engine, --index: says"),
        ("--distances all.npz --normalize --distance cosine", 2, "--distance, --normalize: says"),
        ("--distances all.npz --pooling max", 2, "--pooling: says nothing"),
        ("--distances all.npz --device cuda", 2, "--device: says nothing"),
        ("--distances all.npz --dataset market1501", 2, "--dataset: says nothing"),
        ("--distances all.npz --top-k 10", 2, "rank lists of length 10"),
    ],
)
def test_bad_input_is_told_in_two_lines(
    place: Path,
    words: str,
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    done = reid_srdl_here("eval", *words.split(), "--name", "bad", streams=capfd)
    assert_told(done, message, status=status)
    assert done.stdout == ""
    assert not (place / "runs/bad").exists()
