from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reid_srdl.data import DATASETS, load_dataset
from reid_srdl.data.locate import Counts
from reid_srdl.data.reid import msmt17
from reid_srdl.data.reid.check_read import check_read
from reid_srdl.errors import UserError
from tests.data.reid.trees import MSMT17, write_msmt17


@pytest.fixture(params=["MSMT17_V1", "MSMT17_V2"])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folders = ("train", "test") if request.param[-1] == "1" else msmt17._FOLDERS[1]
    return write_msmt17(tmp_path / "data" / request.param, folders)


def change(root: Path, name: str, old: str, new: str) -> None:
    path = root / f"list_{name}.txt"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_lists_are_followed(root: Path) -> None:
    data = load_dataset("msmt17", root.parent)
    assert data.train.pids.tolist() == [1, 2, 1]  # val trains too; identities from 1
    assert data.train.camids.tolist() == [1, 14, 15]
    assert data.query.pids.tolist() == [1]
    assert data.gallery.pids.tolist() == [1, 8]
    assert data.gallery.camids.tolist() == [5, 5]
    assert all(path.is_file() for path in (*data.train.paths, *data.gallery.paths))
    with pytest.raises(UserError, match=r"data\.split: msmt17 has no split 1"):
        load_dataset("msmt17", root, 1)


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("gallery", "0007_000", "0007_009", r"list_gallery.txt: 1 image is not in .*0007_009"),
        ("query", "_03_", "_16_", r"list_query.txt, line 1: .* camera 16, MSMT17 has 1 to 15"),
        ("train", ".jpg 1", ".jpg 2", r"list_train.txt, line 2: .*not that of the file's name"),
        ("train", "0001/0001_000_14", "0001/street", r"list_train.txt, line 2: .* is not a file"),
        ("train", ".jpg 0", ".jpg", r"list_train.txt, line 1"),
        (
            "val",
            *(MSMT17[part][0] for part in ("val", "train")),
            r"is in list_train.txt and list_v",
        ),
        ("query", MSMT17["query"][0], "", r"list_query.txt: names no images"),
        ("query", "0000/0000_002", "../test/0000/0000_002", r"is not a file and an identity"),
    ],
)
def test_bad_lists(root: Path, name: str, old: str, new: str, told: str) -> None:
    change(root, name, old, new)
    with pytest.raises(UserError, match=told):
        load_dataset("msmt17", root)


def test_missing_parts(root: Path) -> None:
    (root / "list_val.txt").unlink()
    with pytest.raises(UserError, match=r"list_val.txt: No such file"):
        load_dataset("msmt17", root)
    (root / "list_val.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"list_val.txt: not a text file"):
        load_dataset("msmt17", root)
    next(path for path in root.iterdir() if "test" in path.name).rename(root / "other")
    with pytest.raises(UserError, match="lacks the folders train and test"):
        load_dataset("msmt17", root)


def test_check(root: Path) -> None:
    official = {"train": Counts(3, 2, 3), "query": Counts(1, 1, 1), "gallery": Counts(2, 2, 1)}
    entry = replace(DATASETS["msmt17"], official=official)
    report = check_read(entry, msmt17.load, root)
    assert report.ok
    assert [row.counts for row in report.rows] == list(official.values())
    victim = next(root.glob("*/0007/*.jpg"))
    victim.write_bytes(b"no image")
    (finding,) = check_read(entry, msmt17.load, root).problems
    assert victim.name in finding.files[0]
    victim.unlink()
    (finding,) = check_read(entry, msmt17.load, root).problems
    assert "list_gallery.txt: 1 image is not in" in finding.text
    change(root, "gallery", MSMT17["gallery"][1], "")
    (finding,) = check_read(entry, msmt17.load, root).problems
    assert "gallery: 1 images where 2 are official, 1 identities where 2" in finding.text


def test_official_counts() -> None:
    official = DATASETS["msmt17"].official
    assert official is not None
    assert [(part.images, part.identities, part.cameras) for part in official.values()] == [
        (32_621, 1_041, 15),
        (11_659, 3_060, 15),
        (82_161, 3_060, 15),
    ]
