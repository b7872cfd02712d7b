"""Numbers 12 and 19: what is left out of a folder is counted and named, the same everywhere."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from reid_srdl.cli import app
from reid_srdl.data import load_classes, load_dataset
from reid_srdl.data.check import check_dataset
from reid_srdl.data.reid.distractors import list_distractors
from reid_srdl.data.reid.loose import list_gallery
from reid_srdl.errors import UserError
from reid_srdl.jobs.evaluate import evaluate_classes
from tests.data.classes.factory import write_class_folders, write_picture
from tests.data.conftest import write_image
from tests.reports.runs import Listener, classes, people, run, run_classes


def spoil(folder: Path) -> dict[str, str]:
    """Adds what is no image to a folder, and returns the reasons by name."""
    shutil.copy(next(folder.glob("*.jpg")), os.fsencode(folder) + b"/0004_c5_caf\xff.jpg")
    (folder / "0004_c1.jpg").symlink_to("/nowhere.jpg")
    (folder / "0004_c2.heic").write_bytes(b"x")
    (folder / "0004_c3").write_bytes(b"x")
    os.mkfifo(folder / "0004_c4.jpg")
    (folder / "Thumbs.db").write_bytes(b"x")
    (folder / "._0001_c1.jpg").write_bytes(b"x")
    (folder / ".ipynb_checkpoints").mkdir()
    return {
        "0004_c1.jpg": "broken link",
        "0004_c2.heic": "not an image type that is read",
        "0004_c3": "not an image type that is read",
        "0004_c4.jpg": "not a plain file",
        r"0004_c5_caf\xff.jpg": "a name that is not UTF-8",
    }


@pytest.mark.parametrize("list_images", [list_gallery, list_distractors])
def test_12_galleries_and_distractors(tmp_path: Path, list_images: object) -> None:
    for name in ("0001_c1.jpg", "0002_c1.webp", "b.tif", "c.GIF", "0003_c1.jpg.png"):
        write_image(tmp_path / name)
    reasons = spoil(tmp_path)
    (tmp_path / "0005_c1.jpg").write_bytes(b"")
    crops, notes = list_images(tmp_path)  # type: ignore[operator]
    assert len(crops) == 5
    reasons["0005_c1.jpg"] = "empty file"
    assert set(notes[0].files) == {f"{name} ({why})" for name, why in reasons.items()}
    assert "6 files left out" in notes[0].line


def test_12_19_splits_refuse_them_by_name(tiny: Path) -> None:
    reasons = spoil(tiny / "query")
    with pytest.raises(UserError) as caught:
        load_dataset("folder", tiny)
    (problem,) = (one for one in check_dataset("folder", tiny).problems if "query" in one.text)
    for name, why in reasons.items():
        assert f"query/{name} ({why})" in caught.value.what
        assert f"{name} ({why})" in problem.files
    assert "Thumbs" not in caught.value.what
    caught.value.what.encode()  # can be printed


@pytest.mark.parametrize("ending", ["webp", "tif", "tiff", "gif", "bmp", "ppm", "jfif"])
def test_12_every_kind_that_is_read_is_a_crop(tiny: Path, ending: str) -> None:
    path = tiny / "query" / f"0001_c3s1_000001_00.{ending}"
    Image.new("RGB", (8, 16), (9, 8, 7)).save(path, "JPEG" if ending == "jfif" else None)
    assert path in load_dataset("folder", tiny).query.paths


def test_12_class_folders(tmp_path: Path) -> None:
    root = write_class_folders(tmp_path / "set", ((20, 10),))
    names = load_classes("class-folder", root, (8, 8)).class_names
    for split in ("train", "val"):
        for litter in ("__MACOSX", ".ipynb_checkpoints", ".git"):
            write_picture(root / split / litter / "1.png")
        (root / split / ".DS_Store").write_bytes(b"")
    data = load_classes("class-folder", root, (8, 8))
    assert data.class_names == names
    assert "train/.git" in data.notes[0].files
    assert data.notes[0] in check_dataset("class-folder", root).notes
    reasons = spoil_class(root / "train" / names[0])
    with pytest.raises(UserError) as caught:
        load_classes("class-folder", root, (8, 8))
    for name in reasons:
        assert name in caught.value.what


def spoil_class(folder: Path) -> tuple[str, ...]:
    (folder / "a.jpg").symlink_to("/nowhere.jpg")
    (folder / "b.jpg").write_bytes(b"")
    (folder / "c.avi").write_bytes(b"x")
    return "a.jpg (broken link)", "b.jpg (empty file)", "c.avi"


def test_12_nothing_left(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"x")
    with pytest.raises(UserError, match=r"1 file left out: a\.heic \(not an image type"):
        list_gallery(tmp_path)


def test_12_training_and_evaluation_say_what_is_left_out(tmp_path: Path) -> None:
    data = classes(tmp_path / "set")
    write_picture(data / "train" / ".git" / "1.png")
    heard, notes = Listener(), list[str]()
    run_classes(data, tmp_path / "runs", "c", listener=heard, train={"epochs": 1})
    evaluate_classes(tmp_path / "runs/c", device="cpu", noted=notes.append)
    for lines in (heard.notes, notes):
        assert any("train/.git" in line for line in lines), lines


def test_12_an_evaluation_names_what_is_left_out_of_its_distractors(tmp_path: Path) -> None:
    run(people(tmp_path / "w"), tmp_path / "runs", train={"epochs": 1}, eval={"enabled": False})
    (tmp_path / "more").mkdir()
    write_image(tmp_path / "more/0001_c1.jpg")
    reasons = spoil(tmp_path / "more")
    given = [str(tmp_path / "runs/r"), "--distractors", str(tmp_path / "more")]
    features = ["--output", str(tmp_path / "f.npz")]
    for words in (["eval", *given], ["extract", *given, *features]):
        told = CliRunner().invoke(app, words)
        assert told.exit_code == 0, told.output
        assert all(f"{name} ({why})" in told.output for name, why in reasons.items()), told.output
