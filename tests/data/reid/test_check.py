from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from reid_srdl.data import DATASETS
from reid_srdl.data.check import check_dataset
from reid_srdl.data.locate import Counts
from reid_srdl.data.reid.check import CheckReport, check_folder

# Counted by hand in conftest.FILES.
OFFICIAL = {
    "bounding_box_train": Counts(6, 2, 3, junk=1, distractors=1),
    "query": Counts(2, 2, 2),
    "bounding_box_test": Counts(6, 2, 2, junk=1, distractors=1),
    "gt_bbox": Counts(9, 4, 2),
}
ENTRY = replace(DATASETS["market1501"], official=OFFICIAL, partial_boxes=Counts(2, 2, 2))


@pytest.fixture
def official(tiny: Path) -> Path:
    """The tiny set with its gt_query lists, indices written by hand."""
    (tiny / "gt_query").mkdir()
    lists = {
        "0001_c1s1_000001_00": ([4], [3]),
        "0003_c2s1_000001_00": ([5], [6]),
    }
    for name, (good, junk) in lists.items():
        write_list(tiny, name, "good", good)
        write_list(tiny, name, "junk", junk)
    return tiny


def write_list(root: Path, name: str, kind: str, rows: list[int]) -> None:
    table = {f"{kind}_index": np.array([rows], np.uint16)}
    scipy.io.savemat(root / "gt_query" / f"{name}_{kind}.mat", table)


def problems(report: CheckReport) -> str:
    return "\n".join(f"{finding.text} {finding.files}" for finding in report.problems)


def notes(report: CheckReport) -> str:
    return "\n".join(f"{finding.text} {finding.files}" for finding in report.notes)


def test_good(official: Path) -> None:
    told: list[tuple[str, int, int]] = []
    report = check_folder(ENTRY, official, lambda *done: told.append(done))
    assert report.ok, problems(report)
    assert [(row.split, row.counts) for row in report.rows] == [
        *list(OFFICIAL.items())[:3],
        ("gt_bbox", Counts(2, 2, 2)),
    ]
    assert "usable, the test identities only" in notes(report)
    assert "2 of 2 queries agree" in notes(report)
    assert "Thumbs.db" in notes(report)
    assert ("query", 2, 2) in told


def test_complete_boxes(official: Path) -> None:
    entry = replace(ENTRY, official={**OFFICIAL, "gt_bbox": Counts(2, 2, 2)})
    assert "gt_bbox: complete, 2 boxes" in notes(check_folder(entry, official))


def test_boxes_neither_complete_nor_usable(official: Path) -> None:
    next((official / "gt_bbox").iterdir()).unlink()
    assert "gt_bbox: 1 images where 9 are official" in problems(check_folder(ENTRY, official))


def test_no_boxes_and_no_lists(tiny: Path) -> None:
    shutil.rmtree(tiny / "gt_bbox")
    report = check_folder(ENTRY, tiny)
    assert report.ok
    assert "no multi-query" in notes(report)
    assert "gt_query: not there" in notes(report)


@pytest.mark.parametrize("split", ["bounding_box_train", "query", "bounding_box_test"])
def test_losses(official: Path, split: str) -> None:
    victim = sorted((official / split).glob("0*"))[-1]
    victim.unlink()
    report = check_folder(ENTRY, official)
    have = OFFICIAL[split].images
    assert f"{split}: {have - 1} images where {have} are official" in problems(report)
    assert ("queries missing" in problems(report)) == (split == "query")
    assert ("0003_c2s1_000001_00" in problems(report)) == (split == "query")
    assert "differ from the rule" not in problems(report)
    shutil.rmtree(official / split)
    assert f"{split}: the folder is missing" in problems(check_folder(ENTRY, official))


def test_every_bad_file_is_named(official: Path) -> None:
    for number in range(15):
        (official / "query" / f"person{number}.jpg").write_bytes(b"")
    gallery = official / "bounding_box_test"
    victims = [path for path in sorted(gallery.iterdir()) if path.name.startswith("0")]
    victims[0].write_bytes(victims[0].read_bytes()[:-50])
    victims[1].write_bytes(b"")
    victims[2].write_bytes(b"no image")
    (official / "notes.docx").write_text("")
    report = check_folder(ENTRY, official)
    for number in range(15):
        assert f"person{number}.jpg" in problems(report)
    for victim in victims[:3]:
        assert f"{victim.name} (" in problems(report)
    assert "3 files can't be read" in problems(report)
    assert "notes.docx" in notes(report)


@pytest.mark.parametrize(("kind", "rows"), [("good", [3]), ("junk", [3, 4]), ("good", [0])])
def test_lists_that_differ(official: Path, kind: str, rows: list[int]) -> None:
    write_list(official, "0001_c1s1_000001_00", kind, rows)
    report = check_folder(ENTRY, official)
    assert "1 queries whose lists differ from the rule" in problems(report)
    assert "0001_c1s1_000001_00.jpg" in problems(report)
    assert "0003_c2s1" not in problems(report)


def test_damaged_and_missing_lists(official: Path) -> None:
    (official / "gt_query" / "0001_c1s1_000001_00_good.mat").write_bytes(b"junk")
    (official / "gt_query" / "0003_c2s1_000001_00_junk.mat").unlink()
    report = check_folder(ENTRY, official)
    assert "1 lists can't be read ('0001_c1s1_000001_00_good.mat',)" in problems(report)
    assert "queries without lists ('0003_c2s1_000001_00.jpg.jpg',)" in notes(report)


def test_folder_of_ones_own(tiny: Path) -> None:
    report = check_dataset("folder", tiny)
    assert report.ok, problems(report)
    assert all(row.official is None for row in report.rows)
    (tiny / "bounding_box_test" / "0001_c2s1_000001_01.jpg").unlink()
    report = check_dataset("folder", tiny)
    assert report.ok
    assert "1 queries without a match from another camera" in notes(report)
    (tiny / "bounding_box_test" / "0003_c1s1_000001_01.jpg").unlink()
    assert "no query has a match" in problems(check_dataset("folder", tiny))


def test_shared_identities_are_told(tiny: Path) -> None:
    shutil.copy(
        tiny / "query" / "0001_c1s1_000001_00.jpg",
        tiny / "bounding_box_train" / "0001_c1s1_000001_00.jpg",
    )
    assert "1 identities are among the training identities too ('0001',)" in notes(
        check_dataset("folder", tiny)
    )
