from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_srdl.data import load_classes
from reid_srdl.data.check import check_dataset
from reid_srdl.errors import UserError
from tests.data.classes.factory import WNIDS, write_picture, write_tiny_imagenet


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_tiny_imagenet(tmp_path / "tiny-imagenet-200")


def annotate(root: Path, change: Callable[[list[str]], list[str]]) -> None:
    path = root / "val" / "val_annotations.txt"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def test_images_and_labels_of_both_splits(root: Path) -> None:
    data = load_classes("tiny-imagenet", root)
    assert data.classes == (
        "n01443537 goldfish, Carassius auratus",
        "n02099712 Labrador retriever",
        "n03444034 go-kart",
    )
    ids = sorted(WNIDS)
    assert data.train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    for split, place in ((data.train, "train/{wnid}/images/{wnid}_{number}.JPEG"),):
        for row, (pixels, label) in enumerate(zip(split.pixels, split.labels, strict=True)):  # type: ignore[call-overload]
            path = root / place.format(wnid=ids[label], number=row % 4)
            np.testing.assert_array_equal(pixels, np.asarray(Image.open(path).convert("RGB")))
    # Annotated in turn, in the order of wnids.txt.
    expected = [ids.index(WNIDS[number % 3]) for number in range(6)]
    assert data.test.labels.tolist() == expected
    val = np.stack(
        [np.asarray(Image.open(root / f"val/images/val_{number}.JPEG")) for number in range(6)]
    )
    np.testing.assert_array_equal(data.test.pixels, val)
    assert isinstance(data.train.pixels, np.memmap)


def test_grey_images_have_three_equal_channels(root: Path) -> None:
    assert Image.open(root / f"train/{WNIDS[0]}/images/{WNIDS[0]}_0.JPEG").mode == "L"
    pixels = load_classes("tiny-imagenet", root).train.pixels
    assert isinstance(pixels, np.ndarray)
    grey = [(image == image[..., :1]).all() for image in pixels]
    assert grey == [True, False, False, False] * 3


def test_zip_and_what_holds_it(root: Path, tmp_path: Path, cache: Path) -> None:
    place = tmp_path / "downloads"
    place.mkdir()
    archive = place / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for path in root.rglob("*.*"):
            content.write(path, path.relative_to(root.parent))
    for data_dir in (archive, place):
        data = load_classes("tiny-imagenet", data_dir)
        assert len(data.train) == 12
        assert data.root.is_relative_to(cache)
    report = check_dataset("tiny-imagenet", archive)
    assert report.sums[0].official == "90528d7ca1a48142e341f4ef8d21d0de"
    assert "not the official archive" in report.notes[0].text


def lose_class(root: Path) -> None:
    shutil.rmtree(root / "train" / "n02099712")


def add_class(root: Path) -> None:
    write_picture(root / "train" / "n09999999" / "images" / "x.JPEG")


def empty_class(root: Path) -> None:
    for path in (root / "train" / "n02099712" / "images").iterdir():
        path.unlink()


def lose_image(root: Path) -> None:
    (root / "val" / "images" / "val_3.JPEG").unlink()


def add_image(root: Path) -> None:
    write_picture(root / "val" / "images" / "val_99.JPEG")


def annotate_twice(root: Path) -> None:
    annotate(root, lambda lines: [*lines, lines[2]])


def annotate_unknown(root: Path) -> None:
    annotate(root, lambda lines: [*lines[:-1], lines[-1].replace("n02099712", "n00000001")])


def annotate_without_class(root: Path) -> None:
    annotate(root, lambda lines: [*lines[:-1], "val_5.JPEG"])


def never_annotate(root: Path) -> None:
    annotate(root, lambda lines: [line.replace("n02099712", "n01443537") for line in lines])


def add_text(root: Path) -> None:
    (root / "train" / "n02099712" / "images" / "list.txt").write_text("")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lose_class, "train lacks classes of wnids.txt: n02099712"),
        (add_class, "train has class folders that wnids.txt lacks: n09999999"),
        (empty_class, "train: classes without images: n02099712"),
        (lose_image, "annotations that name no image: val_3.JPEG"),
        (add_image, "images without annotation: val_99.JPEG"),
        (annotate_twice, "images annotated twice: val_2.JPEG"),
        (annotate_unknown, "classes that wnids.txt lacks: n00000001"),
        (never_annotate, "val: classes without images: n02099712"),
        (annotate_without_class, "val_annotations.txt: line 6 has no second field"),
        (add_text, "train: neither a class folder nor an image in one: n02099712/images/list.txt"),
    ],
)
def test_what_is_wrong_is_named(root: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(root)
    with pytest.raises(UserError) as caught:
        load_classes("tiny-imagenet", root)
    assert message in caught.value.what
    told = [
        f"{problem.text}: {', '.join(problem.files)}"
        for problem in check_dataset("tiny-imagenet", root).problems
    ]
    assert any(message in text for text in told)


@pytest.mark.parametrize("part", ["wnids.txt", "words.txt", "val/val_annotations.txt"])
def test_a_missing_list_is_named(root: Path, part: str) -> None:
    (root / part).unlink()
    with pytest.raises(UserError, match=f"{part}: No such file"):
        load_classes("tiny-imagenet", root)
    assert not check_dataset("tiny-imagenet", root).ok


def test_an_image_that_cannot_be_read_is_named(root: Path) -> None:
    victim = root / "val" / "images" / "val_1.JPEG"
    victim.write_bytes(victim.read_bytes()[:300])
    with pytest.raises(UserError, match=r"val_1\.JPEG \(Truncated File Read"):
        load_classes("tiny-imagenet", root)
    told: list[tuple[str, int, int]] = []
    report = check_dataset("tiny-imagenet", root, lambda *done: told.append(done))
    assert any("val/images/val_1.JPEG (" in file for p in report.problems for file in p.files)
    assert {("train", 12, 12), ("val", 6, 6)} <= {*told}
    assert [row.counts.images for row in report.rows] == [12, 6]
    assert report.rows[1].official is not None
    assert report.rows[1].official.images == 10_000
