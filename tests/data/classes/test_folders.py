from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from reid_srdl.data import DATASETS, load_classes
from reid_srdl.data.check import check_dataset
from reid_srdl.data.classes import folders
from reid_srdl.data.classes.file_table import FileTable
from reid_srdl.data.classes.stream import ImageStream
from reid_srdl.errors import UserError
from tests.data.classes.factory import WNIDS, write_class_folders, write_picture

ALIKE = ((20, 10), (20, 10))


@pytest.mark.parametrize("name", ["imagenet", "class-folder"])
def test_labels_and_order_are_torchvisions(tmp_path: Path, name: str) -> None:
    root = write_class_folders(tmp_path / "set")
    data = load_classes(name, root, (24, 24))
    for split, samples in (("train", data.train), ("val", data.test)):
        theirs = torchvision.datasets.ImageFolder(root / split)
        assert samples.labels.tolist() == theirs.targets
        assert list(data.classes) == theirs.classes
        if isinstance(samples.pixels, ImageStream):
            ours = [str(path) for path in samples.pixels._files]
            assert ours == [path for path, _ in theirs.samples]
    assert isinstance(data.train.pixels, ImageStream)
    assert isinstance(data.test.pixels, ImageStream) == (name == "imagenet")  # all of one size


def test_test_stands_for_val(tmp_path: Path) -> None:
    root = write_class_folders(tmp_path / "set", val="test")
    assert len(load_classes("class-folder", tmp_path / "set", (24, 24)).test) == 3
    write_class_folders(root, val="val")
    assert [row.split for row in check_dataset("class-folder", root).rows] == ["train", "val"]


def test_images_of_one_size_are_decoded_and_others_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_class_folders(tmp_path / "alike", ALIKE)
    data = load_classes("class-folder", root, (24, 24))
    assert isinstance(data.train.pixels, np.memmap)
    assert data.train.pixels.shape == (6, 10, 20, 3)
    path = root / "train" / sorted(WNIDS)[1] / f"{sorted(WNIDS)[1]}_0.JPEG"
    np.testing.assert_array_equal(data.train.pixels[2], np.asarray(Image.open(path)))
    assert isinstance(load_classes("imagenet", root, (24, 24)).train.pixels, ImageStream)
    monkeypatch.setattr(folders, "DECODED_BYTES", 6 * 10 * 20 * 3 - 1)
    assert isinstance(load_classes("class-folder", root, (24, 24)).train.pixels, ImageStream)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_missing_class_folder_is_named(tmp_path: Path, split: str) -> None:
    root = write_class_folders(tmp_path / "set")
    shutil.rmtree(root / split / WNIDS[0])
    other = {"train": "val", "val": "train"}[split]
    message = f"{split} lacks a class folder that {other} has: {WNIDS[0]}"
    with pytest.raises(UserError, match=message):
        load_classes("imagenet", root, (24, 24))
    problem = check_dataset("imagenet", root).problems[0]
    assert (problem.text, problem.files) == (message.partition(":")[0], (WNIDS[0],))


def test_an_empty_class_and_a_stray_file_are_named(tmp_path: Path) -> None:
    root = write_class_folders(tmp_path / "set")
    (root / "val" / "n123").mkdir()
    (root / "train" / "n123").mkdir()
    write_picture(root / "train" / "n123" / "1.png")
    with pytest.raises(UserError, match="val: classes without images: n123"):
        load_classes("class-folder", root, (24, 24))
    write_picture(root / "val" / "n123" / "1.png")
    (root / "val" / "n123" / "note.txt").write_text("")
    (root / "val" / "n123" / "Thumbs.db").write_text("")
    write_picture(root / "val" / "loose.png")
    with pytest.raises(UserError, match=r"nor an image in one: loose\.png, n123/note\.txt"):
        load_classes("class-folder", root, (24, 24))


def test_flat_val_names_every_class(tmp_path: Path) -> None:
    root = write_class_folders(tmp_path / "set")
    shutil.rmtree(root / "val")
    write_picture(root / "val" / "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(UserError, match=f"val lacks 3 class folders.*{sorted(WNIDS)[0]}") as caught:
        load_classes("imagenet", root, (24, 24))
    assert "one folder for each class" in caught.value.hint


def test_half_a_set(tmp_path: Path) -> None:
    root = write_class_folders(tmp_path / "set")
    shutil.rmtree(root / "val")
    with pytest.raises(UserError, match="set: lacks val or test"):
        load_classes("class-folder", root, (24, 24))
    assert not check_dataset("class-folder", root).ok
    for wnid in WNIDS[1:]:
        shutil.rmtree(root / "train" / wnid)
    write_picture(root / "val" / WNIDS[0] / "1.JPEG")
    with pytest.raises(UserError, match="1 classes, where a classifier needs 2"):
        load_classes("class-folder", root, (24, 24))


def test_check_reads_every_image(tmp_path: Path) -> None:
    root = write_class_folders(tmp_path / "set")
    report = check_dataset("class-folder", root)
    assert report.ok
    assert [(row.counts.images, row.counts.classes) for row in report.rows] == [(9, 3), (3, 3)]  # type: ignore[union-attr]
    assert report.rows[0].official is None
    victim = root / "train" / WNIDS[1] / f"{WNIDS[1]}_2.JPEG"
    victim.write_bytes(b"text")
    report = check_dataset("imagenet", root)
    texts = {problem.text: problem.files for problem in report.problems}
    assert texts["train: 1 file can't be read"][0].startswith(f"train/{WNIDS[1]}/{victim.name} (")
    assert any("9 images where 1,281,167 are official" in text for text in texts)


def test_the_official_tars_are_summed_where_they_lie_beside(tmp_path: Path) -> None:
    from torchvision.datasets.imagenet import ARCHIVE_META

    assert DATASETS["imagenet"].md5 == dict(ARCHIVE_META[split] for split in ("train", "val"))
    root = write_class_folders(tmp_path / "set")
    content = b"tar" * 7_000_000
    (root / "ILSVRC2012_img_val.tar").write_bytes(content)
    told: list[tuple[str, int, int]] = []
    report = check_dataset("imagenet", root, lambda *done: told.append(done))
    assert [(row.file, row.md5) for row in report.sums] == [
        ("ILSVRC2012_img_val.tar", hashlib.md5(content).hexdigest())
    ]
    assert "ILSVRC2012_img_val.tar: not the official archive" in report.notes[-1].text
    assert told[-2:] == [("ILSVRC2012_img_val.tar (MiB)", done, 21) for done in (16, 21)]


def test_a_table_of_files_is_small_and_exact() -> None:
    table = FileTable()
    names = [[f"n{folder:08d}_{number}.JPEG" for number in range(500)] for folder in range(100)]
    for folder, inside in enumerate(names):
        table.add(Path(f"/set/train/n{folder:08d}"), inside)
    odd = "größe \udcff.JPEG"  # a name that is no UTF-8
    table.add(Path("/set/train/odd"), [odd])
    assert len(table) == 50_001
    assert table[49_999] == Path("/set/train/n00000099") / names[99][499]
    assert table[50_000].name == odd
    assert table[500:502] == [Path("/set/train/n00000001") / name for name in names[1][:2]]
    assert len(list(table)) == 50_001
    size = len(table._names) + table._ends.itemsize * len(table._ends) * 2
    assert size / len(table) < 40  # bytes an image
    with pytest.raises(IndexError):
        table[50_001]
