"""An image that is trained on and tested on is told, by name, before training and by the check."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reid_srdl.data.check import check_dataset
from reid_srdl.data.copies import find_copies
from tests.reports.runs import Listener, classes, people, run, run_classes


def first(folder: Path) -> Path:
    return min(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("source", "split", "name"),
    [
        ("bounding_box_train", "query", "0007_c1s1_999999_00.png"),
        ("bounding_box_train", "bounding_box_test", "0000_c1s1_999999_00.png"),
        ("query", "bounding_box_test", "0000_c2s1_999999_00.png"),
    ],
)
def test_people(tmp_path: Path, source: str, split: str, name: str) -> None:
    root = people(tmp_path / "w")
    assert not [one for one in check_dataset("folder", root).notes if "byte" in one.text]
    taken = first(root / source)
    shutil.copy(taken, (root / split / name).with_suffix(taken.suffix))
    told = [one.line for one in check_dataset("folder", root).notes if "byte" in one.text]
    assert len(told) == 1
    assert f"{source}/{taken.name} ({source}) = " in told[0]
    assert f"{split}/{Path(name).stem}" in told[0]


def test_training_warns_of_them(tmp_path: Path) -> None:
    root, listener = people(tmp_path / "w"), Listener()
    taken = first(root / "bounding_box_train")
    shutil.copy(taken, root / "bounding_box_test" / f"0000_c2s1_999999_00{taken.suffix}")
    run(root, tmp_path / "runs", listener=listener, train={"epochs": 1})
    assert [line for line in listener.warnings if "1 image stands in several splits" in line]


def test_classes(tmp_path: Path) -> None:
    root, listener = classes(tmp_path / "c"), Listener()
    taken = first(root / "train")
    shutil.copy(taken, root / "val" / taken.parent.name / f"copy{taken.suffix}")
    told = [one for one in check_dataset("class-folder", root).notes if "byte" in one.text]
    assert len(told) == 1
    run_classes(root, tmp_path / "runs", listener=listener, train={"epochs": 1})
    assert [line for line in listener.warnings if "byte by byte" in line]


def test_copies_within_a_split_are_no_matter(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "abc"]
    for path in files:
        path.write_bytes(b"same")
    assert find_copies(tmp_path, {"train": files}) == []
    assert "3" not in find_copies(tmp_path, {"train": files[:2], "test": files[2:]})[0].text
