"""Point 6: identities that may be meant as junk, and arrays that nobody reads, are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from reid_srdl.cli import app
from reid_srdl.feature_files.distances import load_distances
from reid_srdl.feature_files.reading import load_features, save_features
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.odd_labels import odd_labels
from tests.reports.test_labels_8 import write

FORMS = [".npz", ".mat", ""]


def arrays(**changes: Any) -> dict[str, Any]:
    """Queries of people 1 and 2, and a gallery of 6 images."""
    made = {
        "query_features": np.eye(2, 3, dtype=np.float32),
        "query_pids": np.array([1, 2]),
        "query_camids": np.array([1, 1]),
        "gallery_features": np.arange(18, dtype=np.float32).reshape(6, 3),
        "gallery_pids": np.array([1, 2, 1, 2, 3, 3]),
        "gallery_camids": np.full(6, 2),
    }
    return made | changes


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32])
def test_a_wrapped_minus_one_is_told(tmp_path: Path, form: str, kind: type) -> None:
    largest = np.iinfo(kind).max
    wrapped = np.array([1, 2, -1, 2, -1, 3]).astype(kind)
    path = write(tmp_path, arrays(gallery_pids=wrapped), form)
    (note,) = load_features(path).notes
    assert note.startswith(f"{path}: gallery_pids: 2 images of identity {largest}, as -1 (junk)")


@pytest.mark.parametrize("form", FORMS)
def test_256_people_fit_into_uint8(tmp_path: Path, form: str) -> None:
    queries = np.array([1, 255], np.uint8)
    gallery = np.array([1, 2, 255, 255, 3, 3], np.uint8)
    path = write(tmp_path, arrays(query_pids=queries, gallery_pids=gallery), form)
    assert load_features(path).notes == ()


@pytest.mark.parametrize("form", FORMS)
def test_a_large_number_of_a_wider_type_is_a_person(tmp_path: Path, form: str) -> None:
    # MATLAB stores these in 8 or 16 bits without a sign; their type has one.
    for number, value in enumerate((255, 65535)):
        folder = tmp_path / str(number)
        folder.mkdir()
        pids = np.array([1, 2, value, 2, 3, 3], np.int32)
        assert load_features(write(folder, arrays(gallery_pids=pids), form)).notes == ()


def test_minus_one_that_went_through_32_bits_is_told(tmp_path: Path) -> None:
    pids = np.array([1, 2, -1, 2, 3, 3]).astype(np.uint32).astype(np.int64)
    (note,) = load_features(write(tmp_path, arrays(gallery_pids=pids), ".npz")).notes
    assert "1 image of identity 4294967295" in note


@pytest.mark.parametrize("form", FORMS)
def test_identities_below_minus_one_are_told(tmp_path: Path, form: str) -> None:
    pids = np.array([1, 2, -2, -7, -1, 3])
    path = write(tmp_path, arrays(gallery_pids=pids), form)
    (note,) = load_features(path).notes
    told = "2 images of identities below -1, down to -7, count as people: only -1 is junk"
    assert note == f"{path}: gallery_pids: {told}"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-4, 5), min_size=1, max_size=30))
def test_whatever_is_below_minus_one_is_counted(pids: list[int]) -> None:
    side = FeatureSet(np.zeros((len(pids), 1)), np.array(pids), np.zeros(len(pids), int))
    notes = odd_labels(Features(side, side), "f")
    below = [pid for pid in pids if pid < -1]
    assert len(notes) == (2 if below else 0)
    counts = {1: "1 image "}.get(len(below), f"{len(below)} images ")
    assert all(f": {counts}" in note and f"down to {min(below)}," in note for note in notes)


def test_labels_of_distances_are_told(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.ones((2, 6)))
    labels = write(tmp_path, arrays(gallery_pids=np.array([1, 2, 1, 2, -5, 255])), ".npz")
    (note,) = load_distances(tmp_path / "d.npy", labels).images.notes
    assert note.startswith(f"{labels}: gallery_pids: 1 image of identities below -1")


@pytest.mark.parametrize(
    ("form", "name", "meant"),
    [
        (".npz", "gallery_name", "gallery_names"),
        (".npz", "multi_pid", "multi_pids"),
        ("", "query_name", "query_names"),
        (".npz", "zzz\x1b", ""),
        ("", "epoch", ""),
    ],
)
def test_arrays_that_nobody_reads_are_told(
    tmp_path: Path, form: str, name: str, meant: str
) -> None:
    path = write(tmp_path, arrays(**{name: np.arange(6)}), form)
    (note,) = load_features(path).notes
    assert "\x1b" not in note
    shown = name.replace("\x1b", r"\x1b")
    end = f"; did you mean {meant!r}?" if meant else ""
    assert note == f"{path}: the array {shown} is not read{end}"


def test_a_mat_files_own_arrays_are_told_by_its_names(tmp_path: Path) -> None:
    import scipy.io

    path = write(tmp_path, arrays(), ".mat")
    made = {key: value for key, value in scipy.io.loadmat(path).items() if key[0] != "_"}
    scipy.io.savemat(path, made | {"gallery_labels": np.arange(6), "z": 3})
    assert load_features(path).notes == (
        f"{path}: the array gallery_labels is not read; did you mean 'gallery_label'?",
        f"{path}: the array z is not read",
    )


@pytest.mark.parametrize("name", ["f.npz", "f"])
def test_nothing_is_told_of_what_we_write(tmp_path: Path, name: str) -> None:
    features = load_features(write(tmp_path, arrays(gallery_pids=np.arange(6) - 1), ".npz"))
    save_features(tmp_path / name / "g" if name == "f" else tmp_path / "g.npz", features)
    again = tmp_path / name / "g" if name == "f" else tmp_path / "g.npz"
    assert load_features(again).notes == ()


def test_the_command_warns_and_its_json_stays_json(tmp_path: Path) -> None:
    pids = np.array([1, 2, 1, 2, 255, 255], np.uint8)
    path = write(tmp_path, arrays(gallery_pids=pids, gallery_name=np.arange(6)), ".npz")
    done = CliRunner().invoke(app, ["eval", "--features", str(path), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["single_query"]["queries"] == 2
    first, second = done.stderr.splitlines()[:2]
    assert first.startswith("warning: ")
    assert "gallery_name is not read" in first
    assert second.startswith("warning: ")
    assert "2 images of identity 255" in second
