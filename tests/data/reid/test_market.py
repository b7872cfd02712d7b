from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.data import load_dataset
from reid_srdl.data.reid.names import class_labels, parse_name
from reid_srdl.errors import UserError


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("0002_c1s1_000451_03.jpg", (2, 1)),
        ("-1_c6s3_094992_04.jpg.jpg", (-1, 6)),
        ("0000_c2s1_000002_00.JPG", (0, 2)),
        ("0005_c2_f0046985.jpg", (5, 2)),
        ("0001_c15.png", (1, 15)),
        ("0001_c2.bmp", (1, 2)),
        ("0001_c2.gif", (1, 2)),
        ("0001_c2.heic", None),
        ("0001_c2", None),
        ("0001_cx.jpg", None),
        ("-2_c1.jpg", None),
        ("c1_0001.jpg", None),
        ("x0001_c1.jpg", None),
        ("٠٠٠١_c1.jpg", None),  # digits of another script
    ],
)
def test_names(name: str, labels: tuple[int, int] | None) -> None:
    assert parse_name(name) == labels


def test_load(tiny: Path) -> None:
    data = load_dataset("folder", tiny)
    assert data.train.pids.tolist() == [2, 2, 7, 7]  # neither junk nor distractor
    assert data.train.camids.tolist() == [1, 2, 1, 3]
    assert data.query.pids.tolist() == [1, 3]
    assert data.gallery.pids.tolist() == [-1, 0, 1, 1, 3, 3]
    assert data.gallery.pids.dtype == data.gallery.camids.dtype == np.int64
    assert [path.name for path in data.gallery.paths] == sorted(
        path.name for path in data.gallery.paths
    )
    assert data.boxes is not None
    assert len(data.boxes) == 2


def test_boxes_are_optional(tiny: Path) -> None:
    shutil.rmtree(tiny / "gt_bbox")
    assert load_dataset("folder", tiny).boxes is None


def test_class_labels() -> None:
    labels, identities = class_labels(np.array([7, 2, 7, 11]))
    assert labels.tolist() == [1, 0, 1, 2]
    assert labels.dtype == np.int64
    assert identities.tolist() == [2, 7, 11]


def test_unknown_data_set() -> None:
    with pytest.raises(UserError, match="did you mean 'market1501'") as caught:
        load_dataset("market1505", None)
    assert caught.value.exit_status == 2


def test_no_data_dir() -> None:
    with pytest.raises(UserError, match="REID_SRDL_DATA") as caught:
        load_dataset("market1501", None)
    assert "Market-1501-v15.09.15.zip" in caught.value.hint


def test_folder_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        load_dataset("market1501", tmp_path / "nowhere")


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()
    with pytest.raises(UserError, match="void: the folder is empty"):
        load_dataset("market1501", tmp_path / "void")


@pytest.mark.parametrize("split", ["bounding_box_train", "query", "bounding_box_test"])
def test_missing_and_empty_split(tiny: Path, split: str) -> None:
    shutil.rmtree(tiny / split)
    with pytest.raises(UserError, match=f"tiny: lacks {split}"):
        load_dataset("folder", tiny)
    (tiny / split).mkdir()
    with pytest.raises(UserError, match=f"no images in {split}"):
        load_dataset("folder", tiny)


def test_names_that_do_not_parse_are_named_together(tiny: Path) -> None:
    for number in range(7):
        (tiny / "query" / f"person{number}.jpg").write_bytes(b"")
        (tiny / "gt_bbox" / f"person{number}.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="14 files") as caught:
        load_dataset("folder", tiny)
    assert "query/person6.jpg" in caught.value.what
    assert "and 4 more" in caught.value.what
    assert "\n" not in caught.value.what


def test_one_training_identity(tiny: Path) -> None:
    for path in (tiny / "bounding_box_train").glob("0007*"):
        path.unlink()
    with pytest.raises(UserError, match="1 training identities"):
        load_dataset("folder", tiny)


@pytest.mark.parametrize("place", [".", "market1501", "market1501/Market-1501-v15.09.15"])
def test_data_dir_names_the_set_or_a_parent(
    tiny: Path, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "all" / place
    shutil.copytree(tiny, root)
    assert load_dataset("market1501", tmp_path / "all").root.samefile(root)
    monkeypatch.setenv("REID_SRDL_DATA", str(tmp_path / "all"))
    assert load_dataset("market1501").root.samefile(root)


def test_walkers_are_found_in_data_too(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny, tmp_path / "data" / "walkers")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REID_SRDL_DATA", str(tmp_path / "elsewhere"))
    assert load_dataset("walkers").root == Path("data/walkers")
