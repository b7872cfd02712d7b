"""Number 11, faults 6, 10 and 13: caches know their content, and what was damaged is made again."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reid_srdl.data import cache as decoded_cache
from reid_srdl.data import load_classes, load_dataset
from reid_srdl.data.archive import extracted
from reid_srdl.data.cache import decoded
from reid_srdl.data.readable import check_readable
from reid_srdl.data.reid.crops import Crops
from reid_srdl.errors import UserError
from tests.data.classes.factory import write_class_folders
from tests.data.conftest import write_image

SIZE = (12, 6)


def gallery(root: Path) -> Crops:
    return load_dataset("folder", root).gallery


def test_11_files_that_change_places_keeping_size_and_time(tiny: Path) -> None:
    for seed, path in enumerate((tiny / "bounding_box_test").iterdir()):
        write_image(path.with_suffix(".bmp"), seed=seed)
        path.unlink()
    crops = gallery(tiny)
    before = decoded(crops, fallback_size=SIZE).copy()
    a, b = crops.paths[2], crops.paths[4]
    times = [path.stat().st_mtime_ns for path in (a, b)]
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)
    for path, time in zip((a, b), times, strict=True):
        os.utime(path, ns=(time, time))
    after = decoded(crops, fallback_size=SIZE)
    np.testing.assert_array_equal(after[[2, 4]], before[[4, 2]])
    # Renames keep even the time of the inode on some file systems: the inode itself tells.
    a.rename(tiny / "c")
    b.rename(a)
    (tiny / "c").rename(b)
    np.testing.assert_array_equal(decoded(crops, fallback_size=SIZE), before)


DAMAGES = ("empty", "cut", "longer", "flip", "header", "text", "folder's list", "list flipped")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kind=st.sampled_from(DAMAGES), place=st.floats(0, 1, exclude_max=True))
def test_fault_10_damaged_pixels_are_decoded_again(
    tiny: Path, cache: Path, kind: str, place: float
) -> None:
    crops = gallery(tiny)
    known = decoded(crops, fallback_size=SIZE).copy()
    (pixels,) = (cache / "decoded").glob("*.npy")
    (listing,) = (cache / "decoded").glob("*.json")
    raw = bytearray(pixels.read_bytes())
    if kind == "empty":
        raw.clear()
    elif kind == "cut":
        del raw[int(place * len(raw)) :]
    elif kind == "longer":
        raw += b"\0"
    elif kind == "flip":
        raw[int(place * len(raw))] ^= 16
    elif kind == "header":
        raw[int(place * 128)] ^= 1
    elif kind == "text":
        raw[:] = b"not an array"
    elif kind == "folder's list":
        listing.unlink()
    else:
        text = bytearray(listing.read_bytes())
        text[int(place * len(text))] ^= 1
        listing.write_bytes(text)
    pixels.write_bytes(raw)
    np.testing.assert_array_equal(decoded(crops, fallback_size=SIZE), known)


def test_a_cache_without_room_is_an_error_in_words(
    tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10**6, 10**6 - 100, 100)  # type: ignore[attr-defined]
    monkeypatch.setattr(decoded_cache.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="decoded, the images take") as caught:
        decoded(gallery(tiny), fallback_size=SIZE)
    assert "REID_SRDL_CACHE" in caught.value.hint
    assert not [path for path in (cache / "decoded").iterdir() if path.suffix != ".lock"]


def test_fault_06_a_purged_archive_is_extracted_again(
    tiny: Path, tmp_path: Path, cache: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in tiny.rglob("*"):
            if path.is_file():
                archive.write(path, str(path.relative_to(tiny)))
    folder = extracted(tmp_path / "set.zip", cache)
    whole = {path.relative_to(folder): path.read_bytes() for path in files(folder)}
    assert len(whole) == 18
    for number, path in enumerate(sorted(files(folder))):
        if number % 3 == 0:
            path.unlink()
        elif number % 3 == 1:
            path.write_bytes(path.read_bytes()[:-1])
        else:
            shutil.copyfile(path, path.with_name(f"9999_c1s1_{number:06d}_00.png"))
        again = extracted(tmp_path / "set.zip", cache)
        assert again == folder
        assert {path.relative_to(folder): path.read_bytes() for path in files(folder)} == whole
    (tmp_path / "staged").mkdir()
    shutil.copyfile(tmp_path / "set.zip", tmp_path / "staged" / "set.zip")
    assert extracted(tmp_path / "staged" / "set.zip", cache) == folder  # by its bytes


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("split", ["query", "bounding_box_test", "gt_bbox"])
def test_fault_13_unreadable_test_images_are_found_early(tiny: Path, split: str) -> None:
    data = load_dataset("folder", tiny)
    check_readable(data, SIZE)
    victim = next((tiny / split).glob("*.jpg"))
    victim.write_bytes(victim.read_bytes()[:-60])
    with pytest.raises(UserError, match=f"{victim.name}.*truncated"):
        check_readable(data, SIZE)


def test_fault_13_streamed_test_images_are_read_once(tmp_path: Path, cache: Path) -> None:
    root = write_class_folders(tmp_path / "set", ((200, 300),))
    data = load_classes("imagenet", root, (24, 24))
    told: list[tuple[str, int, int]] = []
    check_readable(data, (24, 24), lambda *done: told.append(done))
    check_readable(data, (24, 24), lambda *done: told.append(done))
    assert told == [("reading test", 3, 3)]
    victim = next((root / "val").rglob("*.JPEG"))
    victim.write_bytes(victim.read_bytes()[:-600])
    with pytest.raises(UserError, match=f"1 file can't be read: .*{victim.name}"):
        check_readable(data, (24, 24))
