"""Numbers 1 and 2, fault 5: a data set is known by its content, its classes by their names."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reid_srdl.data import content, load_classes, load_dataset
from reid_srdl.data.classes.stream import ImageStream
from reid_srdl.data.content import Content, content_of
from reid_srdl.data.reid.distractors import with_distractors
from tests.data.classes.factory import write_cifar, write_class_folders, write_picture
from tests.data.conftest import write_image
from tests.data.reid.trees import write_cuhk03, write_viper

TRAIN, QUERY = "bounding_box_train", "query"


def of(root: Path) -> Content:
    return content_of(load_dataset("market1501", root))


def settle(root: Path) -> None:
    """Makes files old enough that their digests are kept; only their inodes' times tell more."""
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (10**9, 10**9))


def test_01_a_copy_and_an_archive_are_the_same_data(tiny: Path, tmp_path: Path) -> None:
    known = of(tiny)
    assert known.train.by == known.test.by == "bytes"
    assert (known.train.files, known.test.files) == (4, 10)
    shutil.copytree(tiny, tmp_path / "copy")
    assert of(tmp_path / "copy") == known
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in sorted(tiny.rglob("*"), reverse=True):
            if path.is_file():
                archive.write(path, f"set/{path.relative_to(tiny)}")
    assert of(tmp_path / "a.zip") == known


@pytest.mark.parametrize(
    ("change", "sides"),
    [
        (lambda r: write_image(r / TRAIN / "0002_c1s1_000451_03.jpg", seed=99), "train"),
        (lambda r: write_image(r / TRAIN / "0002_c3s1_000451_03.jpg"), "train"),
        (lambda r: (r / TRAIN / "0002_c2s1_000451_01.jpg").unlink(), "train"),
        (lambda r: write_image(r / QUERY / "0001_c1s1_000001_00.jpg", seed=99), "test"),
        (
            lambda r: (r / "gt_bbox" / "0001_c1s1_000001_00.jpg").rename(
                r / "gt_bbox" / "0001_c2s1_000001_00.jpg"
            ),
            "test",
        ),
        (lambda r: shutil.rmtree(r / "gt_bbox"), "test"),
        (lambda r: write_image(r / TRAIN / "-1_c1s1_000001_00.jpg", seed=99), ""),
        (lambda r: (r / "readme.txt").write_text("other"), ""),
    ],
)
def test_01_changes_are_seen(tiny: Path, change: Callable[[Path], object], sides: str) -> None:
    before = of(tiny)
    change(tiny)
    after = of(tiny)
    assert (before.train != after.train) == (sides == "train")
    assert (before.test != after.test) == (sides == "test")


def test_01_a_swap_of_equal_size_and_time_is_seen(tiny: Path) -> None:
    settle(tiny)
    before = of(tiny)
    a, b = (tiny / TRAIN / name for name in ("0002_c1s1_000451_03.jpg", "0007_c1s1_000476_01.jpg"))
    content_a, content_b = a.read_bytes(), b.read_bytes()
    size = max(len(content_a), len(content_b))
    a.write_bytes(content_b.ljust(size, b"\0"))
    b.write_bytes(content_a.ljust(size, b"\0"))
    settle(tiny)
    assert of(tiny).train != before.train
    assert of(tiny).test == before.test


def test_01_distractors_and_splits_are_content(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny / QUERY, tmp_path / "more")
    data = load_dataset("folder", tiny)
    more = content_of(with_distractors(data, tmp_path / "more"))
    assert more.train == content_of(data).train
    assert more.test != content_of(data).test
    root = write_viper(tmp_path / "VIPeR")
    first, second = (content_of(load_dataset("viper", root, split)) for split in (0, 1))
    assert first.train != second.train


def test_01_packed_sets_are_known_by_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_cuhk03(tmp_path / "cuhk03")
    known = content_of(load_dataset("cuhk03-labeled", root))
    assert known.train.files == 2  # both .mat files, whatever Pillow makes of the images
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "other"))
    assert content_of(load_dataset("cuhk03-labeled", root)) == known
    folder = write_cifar("cifar10", tmp_path / "cifar-10-batches-py", monkeypatch)
    data = load_classes("cifar10", folder)
    copied = shutil.copytree(folder, tmp_path / "moved")
    assert content_of(load_classes("cifar10", copied)) == content_of(data)
    assert data.class_names[3] == "class3"


def test_01_large_streams_are_known_by_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_class_folders(tmp_path / "set")
    whole = content_of(load_classes("imagenet", root, (24, 24)))
    monkeypatch.setattr(content, "WHOLE_BYTES", whole.train.bytes - 1)
    named = content_of(load_classes("imagenet", root, (24, 24)))
    assert (named.train.by, named.test.by) == ("names", "bytes")
    assert named.train.digest != whole.train.digest
    assert named.test == whole.test


def test_fault_05_a_stream_copied_again_is_the_same(tmp_path: Path) -> None:
    root = write_class_folders(tmp_path / "set")

    def digest(place: Path) -> str:
        pixels = load_classes("imagenet", place, (24, 24)).train.pixels
        assert isinstance(pixels, ImageStream)
        return pixels.digest()

    known = digest(root)
    copied = shutil.copytree(root, tmp_path / "node" / "set", copy_function=shutil.copyfile)
    settle(copied)
    assert digest(copied) == known
    path = next((copied / "train").rglob("*_1.JPEG"))
    write_picture(path.with_name("other.png"), 30, 40)
    path.write_bytes(path.with_name("other.png").read_bytes())
    path.with_name("other.png").unlink()
    assert digest(copied) != known


def test_01_kept_digests_that_were_damaged_are_made_anew(tiny: Path, cache: Path) -> None:
    settle(tiny)
    os.utime(tiny)
    known = of(tiny)
    for kept in (cache / "digests").glob("*.json"):
        raw = bytearray(kept.read_bytes())
        for place in range(0, len(raw), 37):
            flipped = raw.copy()
            flipped[place] ^= 4
            kept.write_bytes(flipped)
            assert of(tiny) == known


def test_02_names_in_label_order(tiny: Path, tmp_path: Path) -> None:
    assert load_dataset("folder", tiny).class_names == ("2", "7")
    root = write_class_folders(tmp_path / "set")
    data = load_classes("imagenet", root, (24, 24))
    assert data.class_names == tuple(sorted(path.name for path in (root / "train").iterdir()))
