"""Failing input 8: labels are what the file says, or the array is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_srdl.errors import UserError
from reid_srdl.feature_files.reading import load_features
from reid_srdl.retrieval.features import whole_numbers

PARTS = ("query", "gallery", "multi")
COUNT = 5


def arrays() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for part in PARTS:
        made[f"{part}_features"] = np.ones((COUNT, 3), np.float32)
        made[f"{part}_pids"] = np.arange(COUNT) + 1
        made[f"{part}_camids"] = np.arange(COUNT) % 2
    return made


def layumi(name: str) -> str:
    part, kind = name.split("_")
    short = {"features": "f", "pids": "label", "camids": "cam"}[kind]
    return f"{ {'multi': 'mquery'}.get(part, part) }_{short}"


def write(path: Path, made: dict[str, Any], form: str) -> Path:
    file = path / f"f{form}"
    if form == ".npz":
        np.savez(file, **made)
    elif form == ".mat":
        scipy.io.savemat(file, {layumi(name): value for name, value in made.items()})
    else:
        file.mkdir()
        for name, value in made.items():
            np.save(file / f"{name}.npy", value)
    return file


BAD: dict[str, Any] = {
    "halves": np.arange(COUNT) + 0.5,
    "float32 from 2^24": np.arange(COUNT, dtype=np.float32) + np.float32(2**24),
    "negative float32": -np.arange(COUNT, dtype=np.float32) - np.float32(2**24),
    "float64 from 2^53": np.arange(COUNT) + 2.0**53,
    "huge": np.full(COUNT, 1e30),
    "NaN": np.array([1, 2, np.nan, 4, 5]),
    "infinity": np.array([1, 2, -np.inf, 4, 5]),
    "too large for int64": np.arange(COUNT, dtype=np.uint64) + np.uint64(2**63),
    "bools": np.arange(COUNT) > 1,
    "strings": np.array(list("abcde")),
    "complex": np.arange(COUNT) + 1j,
    "too few": np.arange(COUNT - 1),
    "two axes": np.ones((COUNT, 2), int),
}
# Not in .mat files: there are no float16 arrays.
MORE = {"float16 from 2^11": np.arange(COUNT, dtype=np.float16) + np.float16(2**11)}


@pytest.mark.parametrize("form", [".npz", ".mat", ""])
@pytest.mark.parametrize("name", [f"{p}_{k}" for p in PARTS for k in ("pids", "camids")])
def test_labels_of_no_use_are_named(tmp_path: Path, form: str, name: str) -> None:
    for number, (case, value) in enumerate((BAD | ({} if form == ".mat" else MORE)).items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = write(folder, arrays() | {name: value}, form)
        with pytest.raises(UserError) as raised:
            load_features(path)
        what = raised.value.what
        assert name in what or layumi(name) in what, case
        assert str(path) in what
        assert raised.value.exit_status == 1
        assert "\n" not in what


def test_objects_cells_structs_and_sparse_arrays_are_named(tmp_path: Path) -> None:
    objects = arrays() | {"query_pids": np.array([1, 2, None, 4, 5], dtype=object)}
    np.savez(tmp_path / "f.npz", **objects)
    with pytest.raises(UserError, match="query_pids"):
        load_features(tmp_path / "f.npz")
    for number, value in enumerate(
        (
            np.array([1, "a", 3, 4, 5], dtype=object),
            {"a": 1},
            "text",
            scipy.sparse.csc_matrix(np.eye(COUNT)),
        )
    ):
        for name in ("query_label", "gallery_f"):
            made = {layumi(key): array for key, array in arrays().items()}
            path = tmp_path / f"{number}{name}.mat"
            scipy.io.savemat(path, made | {name: value})
            with pytest.raises(UserError, match=name) as raised:
                load_features(path)
            assert raised.value.exit_status == 1


def test_matlabs_single_is_told_from_its_header(tmp_path: Path) -> None:
    # MATLAB packs whole numbers of class single into integers; what rounded them was the class.
    made = {layumi(name): value for name, value in arrays().items()}
    made["query_label"] = np.arange(COUNT, dtype=np.float32) + np.float32(2**24 - COUNT)
    scipy.io.savemat(tmp_path / "f.mat", made)
    assert load_features(tmp_path / "f.mat").query.pids.tolist() == [
        2**24 - COUNT + i for i in range(COUNT)
    ]
    # So does this file: class single (7) over values stored as 32-bit integers.
    made["query_label"] = np.arange(COUNT, dtype=np.int32)[None] + 2**24
    scipy.io.savemat(tmp_path / "f.mat", made)
    data = (tmp_path / "f.mat").read_bytes()
    place = data.index(b"query_label") - 32 - 8  # flags stand before sides (16 bytes) and name
    flags = data.rindex(b"\x06\x00\x00\x00\x08\x00\x00\x00", 0, place + 16) + 8
    assert data[flags] == 12
    (tmp_path / "f.mat").write_bytes(data[:flags] + b"\x07" + data[flags + 1 :])
    with pytest.raises(UserError, match="query_label holds numbers of 16777216"):
        load_features(tmp_path / "f.mat")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([np.float16, np.float32, np.float64]),
    st.lists(st.integers(-(2**60), 2**60), min_size=1, max_size=6),
)
def test_whole_floats_are_exact_or_refused(kind: type, values: list[int]) -> None:
    limit = {np.float16: 2**11, np.float32: 2**24, np.float64: 2**53}[kind]
    with np.errstate(over="ignore"):
        array = np.array(values, np.float64).astype(kind)
    if all(abs(value) < limit for value in values):
        assert whole_numbers("x", array).tolist() == values
    else:
        with pytest.raises(UserError, match="x holds"):
            whole_numbers("x", array)


@pytest.mark.parametrize("form", [".npz", ".mat", ""])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint32, np.int64, np.uint64])
def test_integers_of_all_widths_are_read(tmp_path: Path, form: str, kind: type) -> None:
    largest = min(np.iinfo(kind).max, 2**63 - 1)
    values = np.array([1, 2, 3, 4, largest], kind)
    path = write(tmp_path, arrays() | {"query_pids": values}, form)
    assert np.asarray(load_features(path).query.pids).tolist() == [1, 2, 3, 4, largest]
