"""Class folders that hold both val and test: one is tested on, and which is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reid_srdl.data import load_classes
from reid_srdl.data.check import check_dataset
from tests.reports.runs import Listener, classes, run_classes

TOLD = "val and test are there: val is tested on, test is not read"


def test_what_is_not_read_is_told(tmp_path: Path) -> None:
    root = classes(tmp_path / "c")
    assert not any("tested on" in note.line for note in check_dataset("class-folder", root).notes)
    shutil.copytree(root / "val", root / "test")
    assert TOLD in [note.line for note in load_classes("class-folder", root, size=(20, 20)).notes]
    assert TOLD in [note.line for note in check_dataset("class-folder", root).notes]


@pytest.mark.parametrize("only", ["val", "test"])
def test_one_of_them_needs_no_word(tmp_path: Path, only: str) -> None:
    root = classes(tmp_path / "c")
    if only == "test":
        (root / "val").rename(root / "test")
    assert load_classes("class-folder", root, size=(20, 20)).notes == ()


def test_training_says_so(tmp_path: Path) -> None:
    root = classes(tmp_path / "c")
    shutil.copytree(root / "val", root / "test")
    listener = Listener()
    run_classes(root, tmp_path / "runs", listener=listener)
    assert any(TOLD in note for note in listener.notes)
