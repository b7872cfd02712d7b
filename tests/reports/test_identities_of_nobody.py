"""Number 6: identities 0 and -1 mean one thing each, and distractors never match."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.data import load_dataset
from reid_srdl.data.check import check_dataset
from reid_srdl.data.reid.distractors import with_distractors
from reid_srdl.errors import UserError
from tests.data.conftest import write_image


def test_06_queries_of_identity_0_are_refused(tiny: Path) -> None:
    write_image(tiny / "query" / "0000_c1s1_000001_00.jpg")
    with pytest.raises(UserError, match="identity 0, which stands for distractors") as caught:
        load_dataset("folder", tiny)
    assert "0000_c1s1_000001_00.jpg" in caught.value.what
    assert any("identity 0" in one.text for one in check_dataset("folder", tiny).problems)


def test_06_distractors_have_a_number_that_no_query_has(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny / "query", tmp_path / "more")  # their names say whom they show
    data = with_distractors(load_dataset("folder", tiny), tmp_path / "more")
    added = data.gallery.pids[-2:]
    assert not np.isin(added, data.query.pids).any()
    assert (added != -1).all()  # they count


def test_06_nothing_vanishes_without_a_word(tiny: Path) -> None:
    write_image(tiny / "query" / "-1_c1s1_000001_00.jpg")
    notes = [note.line for note in load_dataset("folder", tiny).notes]
    told = [note.line for note in check_dataset("folder", tiny).notes]
    for text, name in (
        ("bounding_box_train: 1 file of identity -1", "-1_c1s1_000001_00.jpg"),
        ("bounding_box_train: 1 file of identity 0", "0000_c2s1_000001_00.jpg"),
        ("query: 1 file of identity -1", "-1_c1s1_000001_00.jpg"),
    ):
        assert any(text in note and name in note for note in notes)
    assert any("bounding_box_train: 1 file of identity 0" in note for note in told)


def test_06_junk_alone_is_no_query(tiny: Path) -> None:
    for path in (tiny / "query").glob("*.jpg"):
        path.unlink()
    write_image(tiny / "query" / "-1_c1s1_000001_00.jpg")
    with pytest.raises(UserError, match="all queries are junk"):
        load_dataset("folder", tiny)
