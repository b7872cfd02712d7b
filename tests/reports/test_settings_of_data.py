"""Numbers 10, 19, 20 and 22: paddings that reflection can make, places as people name them."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reid_srdl.data import load_dataset
from reid_srdl.data.augment import Draws, check_pad, crop_and_flip
from reid_srdl.data.places import default_cache_dir
from reid_srdl.data.reid.distractors import list_distractors
from reid_srdl.data.walkers.make import default_parent
from reid_srdl.errors import UserError
from reid_srdl.places import expanded


@given(height=st.integers(1, 9), width=st.integers(1, 9), pad=st.integers(-1, 10))
def test_10_reflection_stays_in_the_image(height: int, width: int, pad: int) -> None:
    images = torch.stack([torch.full((3, height, width), i, dtype=torch.uint8) for i in (1, 2)])
    images[:, 0] = torch.arange(height * width, dtype=torch.uint8).view(height, width)
    corners = [[top, left] for top in (0, 2 * pad) for left in (0, 2 * pad)]
    for corner in corners:
        draws = Draws(torch.tensor([corner, corner]), torch.zeros(2, dtype=torch.bool))
        if not 0 <= pad < min(height, width):
            with pytest.raises(ValueError, match=f"pad {pad} is not below"):
                crop_and_flip(images, draws, pad)
            with pytest.raises(UserError, match=f"data.pad: {pad}") as caught:
                check_pad(height, width, pad)
            assert caught.value.exit_status == 2
            continue
        check_pad(height, width, pad)
        top, left = corner
        for image, crop in zip(images.numpy(), crop_and_flip(images, draws, pad), strict=True):
            padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)), mode="reflect")
            np.testing.assert_array_equal(crop, padded[:, top : top + height, left : left + width])


def test_20_home_is_expanded(tiny: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tiny, home / "data" / "market1501")
    assert load_dataset("market1501", Path("~/data")).root == home / "data" / "market1501"
    monkeypatch.setenv("REID_SRDL_DATA", "~/data")
    assert load_dataset("market1501").root == home / "data" / "market1501"
    assert default_parent() == home / "data"
    crops, _ = list_distractors(Path("~/data/market1501/query"))
    assert crops.paths[0].is_relative_to(home)
    monkeypatch.setenv("REID_SRDL_CACHE", "~/c")
    assert default_cache_dir() == home / "c"
    monkeypatch.delenv("REID_SRDL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/x")
    assert default_cache_dir() == home / "x" / "reid-srdl"
    assert expanded("~nobody-here/x") == Path("~nobody-here/x")  # an error later, never a raise


@pytest.mark.parametrize("name", ["market1501", "walkers", "cifar10"])
def test_20_a_variable_that_names_nothing_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REID_SRDL_DATA", "~/no/such")
    from reid_srdl.data.check import check_dataset

    with pytest.raises(UserError, match="REID_SRDL_DATA=~/no/such: no such file or folder"):
        check_dataset(name, None)


def test_19_a_folder_whose_name_is_no_text(tiny: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xff"))
    shutil.copytree(tiny, odd)
    for refused in (load_dataset, lambda _, place: list_distractors(place / "query")):
        with pytest.raises(UserError, match=r"caf\\xff.*: a name that is not UTF-8") as caught:
            refused("folder", odd)
        caught.value.what.encode()


@pytest.mark.parametrize("inside", ["", "a/", "a/b/", "a/b/c/d/"])
def test_22_archives_may_nest_their_folders(tiny: Path, tmp_path: Path, inside: str) -> None:
    place = zipped(tiny, tmp_path / "set.zip", inside)
    assert len(load_dataset("market1501", place).query) == 2


def test_22_what_an_archive_holds_is_said(tiny: Path, tmp_path: Path) -> None:
    place = zipped(tiny / "query", tmp_path / "set.zip", "query2/")
    with pytest.raises(UserError, match=r"set\.zip: not a zip of msmt17: it holds query2"):
        load_dataset("msmt17", place)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UserError, match=r"a\.txt: a file, and no zip or tar"):
        load_dataset("msmt17", tmp_path / "a.txt")


def test_22_one_folder_off(tiny: Path) -> None:
    for place in (tiny / "query", tiny.parent):
        with pytest.raises(UserError) as caught:
            load_dataset("folder", place)
        assert f"give --data-dir {tiny}" in caught.value.hint
        load_dataset("folder", Path(caught.value.hint.rpartition("--data-dir ")[2]))


def zipped(root: Path, archive: Path, inside: str) -> Path:
    with zipfile.ZipFile(archive, "w") as content:
        for path in root.rglob("*"):
            if path.is_file():
                content.write(path, inside + str(path.relative_to(root)))
    return archive
