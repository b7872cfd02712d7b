"""Feature files: what is read, what is refused, and in which words."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate
from reid_srdl.feature_files.reading import load_features, save_features
from reid_srdl.retrieval.features import Features, FeatureSet, checked
from reid_srdl.retrieval.memory.mapped import is_mapped

Arrays = dict[str, Any]


def good_arrays(*, boxes: bool = False) -> Arrays:
    """Arrays of a file that can be evaluated."""
    rng = np.random.default_rng(0)
    arrays: Arrays = {}
    for part, count in (("query", 4), ("gallery", 9), *([("multi", 6)] if boxes else [])):
        arrays[f"{part}_features"] = rng.standard_normal((count, 5)).astype(np.float32)
        arrays[f"{part}_pids"] = np.arange(count) % 3
        arrays[f"{part}_camids"] = np.full(count, 1 + (part == "gallery"))
    return arrays


def write_npz(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("boxes", [False, True])
def test_npz_is_read(tmp_path: Path, kind: type, boxes: bool) -> None:
    arrays = good_arrays(boxes=boxes)
    arrays["query_features"] = arrays["query_features"].astype(kind)
    features = load_features(write_npz(tmp_path / "f.npz", arrays))
    assert features.query.features.dtype == kind
    assert np.array_equal(features.gallery.features, arrays["gallery_features"])
    assert features.gallery.camids.tolist() == [2] * 9
    assert (features.boxes is not None) == boxes
    assert evaluate(features).evaluation.single_query.queries == 4


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    arrays = good_arrays(boxes=True)
    sets = [
        FeatureSet(*(arrays[f"{part}_{kind}"] for kind in ("features", "pids", "camids")), names)
        for part, names in (("query", tuple("äbcd")), ("gallery", None), ("multi", None))
    ]
    path = tmp_path / "sub" / "f.npz"
    save_features(path, Features(*sets))
    back = load_features(path)
    assert back.query.names == tuple("äbcd")
    assert back.gallery.names is None
    assert back.boxes is not None
    for ours, theirs in zip(sets, (back.query, back.gallery, back.boxes), strict=True):
        for key in ("features", "pids", "camids"):
            assert np.array_equal(getattr(ours, key), getattr(theirs, key))
    assert [p.name for p in path.parent.iterdir()] == ["f.npz"]


def test_bad_features_are_not_saved(tmp_path: Path) -> None:
    features = load_features(write_npz(tmp_path / "f.npz", good_arrays()))
    bad = FeatureSet(features.query.features * np.nan, features.query.pids, features.query.camids)
    with pytest.raises(UserError, match="NaN"):
        save_features(tmp_path / "g.npz", Features(bad, features.gallery))
    with pytest.raises(UserError, match=r"\.npz"):
        save_features(tmp_path / "g.mat", features)
    assert [p.name for p in tmp_path.iterdir()] == ["f.npz"]


def write_folder(path: Path, arrays: Arrays) -> Path:
    path.mkdir()
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    return path


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("labels", [np.int64, np.int32, np.uint8])
def test_a_folder_is_read_as_the_file_is(tmp_path: Path, kind: type, labels: type) -> None:
    arrays = good_arrays(boxes=True)
    arrays = {
        name: array.astype(kind if name.endswith("features") else labels)
        for name, array in arrays.items()
    }
    arrays["gallery_names"] = np.array([f"ü{i}" for i in range(9)])
    folder = load_features(write_folder(tmp_path / "f", arrays))
    file = load_features(write_npz(tmp_path / "f.npz", arrays))
    assert is_mapped(folder.gallery.features)
    assert folder.gallery.names is not None
    assert list(folder.gallery.names) == list(arrays["gallery_names"])
    assert evaluate(folder).evaluation == evaluate(file).evaluation
    faiss = evaluate(folder, engine="faiss").evaluation
    assert faiss == evaluate(file).evaluation


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    features = load_features(write_npz(tmp_path / "f.npz", good_arrays(boxes=True)))
    save_features(tmp_path / "sub" / "f", features)
    assert sorted(p.name for p in (tmp_path / "sub").iterdir()) == ["f"]
    back = load_features(tmp_path / "sub" / "f")
    assert np.array_equal(back.gallery.features, features.gallery.features)
    with pytest.raises(UserError, match="exists already"):
        save_features(tmp_path / "sub" / "f", features)
    (tmp_path / "empty").mkdir()
    save_features(tmp_path / "empty", back)
    assert len(list((tmp_path / "empty").iterdir())) == 9
    bad = FeatureSet(features.query.features * np.nan, features.query.pids, features.query.camids)
    with pytest.raises(UserError, match="NaN"):
        save_features(tmp_path / "g", Features(bad, features.gallery))
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_layumis_mat_is_read(tmp_path: Path, column: bool, kind: type) -> None:
    arrays = good_arrays(boxes=True)
    content = {}
    for ours, theirs in (("query", "query"), ("gallery", "gallery"), ("multi", "mquery")):
        content[f"{theirs}_f"] = arrays[f"{ours}_features"]
        for kind_ours, kind_theirs in (("pids", "label"), ("camids", "cam")):
            labels = arrays[f"{ours}_{kind_ours}"].astype(kind)
            content[f"{theirs}_{kind_theirs}"] = labels[:, None] if column else labels[None]
    scipy.io.savemat(tmp_path / "f.mat", content)
    write_npz(tmp_path / "f.npz", arrays)
    ours, theirs = (evaluate(load_features(tmp_path / name)) for name in ("f.npz", "f.mat"))
    assert ours.evaluation == theirs.evaluation


def test_float64_that_float32_can_hold_is_taken(tmp_path: Path) -> None:
    arrays = good_arrays()
    arrays["query_features"] = arrays["query_features"].astype(np.float64)
    features = load_features(write_npz(tmp_path / "f.npz", arrays))
    assert features.query.features.dtype == np.float32


def _set(name: str, change: Callable[[Any], Any]) -> Callable[[Arrays], None]:
    def apply(arrays: Arrays) -> None:
        arrays[name] = change(arrays[name])

    return apply


def _nan(x: Any) -> Any:
    x = x.copy()
    x[5, 2], x[7, 0] = np.nan, -np.inf
    return x


BAD: dict[str, tuple[Callable[[Arrays], Any], str]] = {
    "missing features": (lambda a: a.pop("gallery_features"), "lacks the array gallery_features"),
    "missing pids": (lambda a: a.pop("query_pids"), "lacks the array query_pids"),
    "half of multi": (
        lambda a: a.update(multi_features=a["query_features"]),
        "lacks the array multi_pids",
    ),
    "nan": (
        _set("gallery_features", _nan),
        r"gallery_features holds NaN or infinity in 2 of 9 rows, first in row 5",
    ),
    "lengths": (
        _set("query_camids", lambda x: x[:-1]),
        "query_camids has 3 entries for 4 rows",
    ),
    "dimensions": (
        _set("query_features", lambda x: x[:, :-1]),
        r"differ in dimensions \(query_features 4, gallery_features 5\)",
    ),
    "one axis": (_set("query_features", lambda x: x[:, 0]), r"query_features has shape \(4,\)"),
    "three axes": (_set("query_features", lambda x: x[None]), r"query_features has shape \(1, 4"),
    "integers": (
        _set("query_features", lambda x: x.astype(np.int32)),
        "query_features has type int32",
    ),
    "complex": (_set("query_features", lambda x: x + 1j), "query_features has type complex64"),
    "float64": (_set("query_features", lambda x: x / np.float64(3)), "has type float64"),
    "no images": (_set("query_features", lambda x: x[:0]), "query_features is empty"),
    "no dimensions": (_set("query_features", lambda x: x[:, :0]), "query_features is empty"),
    "pids": (_set("query_pids", lambda x: x + 0.5), "query_pids has type float64"),
    "names of pids": (_set("query_pids", lambda x: x.astype(str)), "query_pids has type"),
    "labels' axes": (_set("query_pids", lambda x: x[None]), r"query_pids has shape \(1, 4\)"),
    "names": (lambda a: a.update(query_names=np.array(["a"])), "query_names has 1 entries"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays_are_named(tmp_path: Path, case: str) -> None:
    spoil, message = BAD[case]
    arrays = good_arrays()
    spoil(arrays)
    path = write_npz(tmp_path / "f.npz", arrays)
    with pytest.raises(UserError, match=message) as raised:
        load_features(path)
    assert str(path) in raised.value.what
    assert "\n" not in raised.value.what
    assert raised.value.hint
    assert raised.value.exit_status == 1


LAZY = ("nan",)  # seen when the gallery is read


@pytest.mark.parametrize("case", [case for case in BAD if case not in LAZY])
def test_bad_folders_are_named(tmp_path: Path, case: str) -> None:
    spoil, message = BAD[case]
    arrays = good_arrays()
    spoil(arrays)
    path = write_folder(tmp_path / "f", arrays)
    with pytest.raises(UserError, match=message.replace("array", "file")) as raised:
        load_features(path)
    assert str(path) in raised.value.what
    assert "\n" not in raised.value.what
    assert raised.value.exit_status == 1


def test_bad_files_in_a_folder_are_named(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "f", good_arrays())
    file = path / "gallery_features.npy"
    data = file.read_bytes()
    for bad in (data[:-9], data[:40], data[:3], b"", b"x" * 200):
        file.write_bytes(bad)
        with pytest.raises(UserError, match=r"gallery_features\.npy: cannot be read as \.npy"):
            load_features(path)
    np.save(file, np.asfortranarray(good_arrays()["gallery_features"]))
    with pytest.raises(UserError, match="column by column"):
        load_features(path)
    np.save(file, good_arrays()["gallery_features"].astype(np.float64))
    with pytest.raises(UserError, match="gallery_features has type float64"):
        load_features(path)
    for name in ("gallery_pids", "query_pids"):
        np.save(path / f"{name}.npy", np.array([_Trap()] * 4, dtype=object), allow_pickle=True)
        with pytest.raises(UserError, match=f"{name}.npy: an array of Python objects"):
            load_features(path)


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("sprung"),))


def test_object_arrays_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arrays = good_arrays()
    arrays["query_names"] = np.array([_Trap()] * 4, dtype=object)
    with pytest.raises(UserError, match="query_names is an array of Python objects"):
        load_features(write_npz(tmp_path / "f.npz", arrays))
    (tmp_path / "p.npz").write_bytes(pickle.dumps(_Trap()))
    with pytest.raises(UserError, match=r"cannot be read as \.npz"):
        load_features(tmp_path / "p.npz")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_damaged_files_are_named(tmp_path: Path, suffix: str, share: float) -> None:
    whole = tmp_path / f"whole{suffix}"
    if suffix == ".npz":
        np.savez_compressed(whole, **good_arrays())
    else:
        scipy.io.savemat(whole, {"query_f": np.ones((99, 9)), "gallery_f": np.ones((99, 9))})
    data = whole.read_bytes()
    bad = tmp_path / f"bad{suffix}"
    bad.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match=r"bad\.(npz|mat): (cannot be read|lacks)"):
        load_features(bad)


def test_flipped_bytes_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    np.savez_compressed(path, **good_arrays())
    data = bytearray(path.read_bytes())
    data[100:140] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"f\.npz"):
        load_features(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.npz: no such file"):
        load_features(tmp_path / "none.npz")
    with pytest.raises(UserError, match="not a features file"):
        load_features(tmp_path / "f.txt")
    np.save(tmp_path / "f.npy", np.ones(3))
    (tmp_path / "f.npy").rename(tmp_path / "f.npz")
    with pytest.raises(UserError, match="not a zip archive"):
        load_features(tmp_path / "f.npz")
    scipy.io.savemat(tmp_path / "f.mat", {"query_f": np.ones((2, 2))})
    with pytest.raises(UserError, match="lacks the array query_label"):
        load_features(tmp_path / "f.mat")
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (tmp_path / "new.mat").write_bytes(header + bytes(512))
    with pytest.raises(UserError, match=r"new\.mat: is a MATLAB 7\.3 file"):
        load_features(tmp_path / "new.mat")


def test_features_of_callers_are_checked_too() -> None:
    arrays = good_arrays()
    sets = [
        FeatureSet(arrays[f"{p}_features"], arrays[f"{p}_pids"], arrays[f"{p}_camids"])
        for p in ("query", "gallery")
    ]
    assert len(checked(Features(*sets)).query) == 4
    sets[1].features[3] = np.inf
    with pytest.raises(UserError, match="gallery_features holds NaN or infinity in 1 of 9 rows"):
        evaluate(Features(*sets))
