from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_srdl.data import load_dataset
from reid_srdl.data.cache import decoded, default_cache_dir
from reid_srdl.data.reid.crops import Crops
from reid_srdl.errors import UserError
from tests.data.conftest import write_image

SIZE = (12, 6)


def stored(cache: Path, suffix: str) -> list[str]:
    folder = cache / "decoded"
    return sorted(name for name in os.listdir(folder) if name.endswith(suffix))  # noqa: PTH208


def test_default_cache_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REID_SRDL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_cache_dir() == Path("/x/reid-srdl")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_dir() == Path.home() / ".cache" / "reid-srdl"


def test_pixels_at_their_own_size(tiny: Path, cache: Path) -> None:
    crops = load_dataset("folder", tiny).gallery
    told: list[tuple[int, int]] = []
    pixels = decoded(crops, fallback_size=SIZE, progress=lambda *done: told.append(done))
    assert isinstance(pixels, np.memmap)
    assert not pixels.flags.writeable
    oracle = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in crops.paths])
    np.testing.assert_array_equal(pixels, oracle)
    assert told == [(6, 6)]
    decoded(crops, fallback_size=(99, 99), progress=lambda *done: told.append(done))
    assert told == [(6, 6)]  # mapped, not decoded again
    assert len(stored(cache, ".npy")) == 1


def test_mixed_sizes_and_modes_are_resized(tiny: Path) -> None:
    gallery = tiny / "bounding_box_test"
    write_image(gallery / "0001_c2s1_000001_01.jpg", (30, 50))
    Image.new("L", (8, 16), 77).save(gallery / "0001_c3.png")
    Image.new("RGBA", (9, 9), (1, 2, 3, 255)).save(gallery / "0001_c4.png")
    Image.new("P", (9, 9)).save(gallery / "0001_c5.bmp")
    crops = load_dataset("folder", tiny).gallery
    pixels = decoded(crops, fallback_size=SIZE)
    assert pixels.shape == (9, *SIZE, 3)
    rows = {path.name: row for path, row in zip(crops.paths, pixels, strict=True)}
    assert (rows["0001_c3.png"] == 77).all()
    assert (rows["0001_c4.png"] == (1, 2, 3)).all()
    assert decoded(crops, fallback_size=(6, 3)).shape == (9, 6, 3, 3)


def test_rebuilt_when_a_file_changes(tiny: Path, cache: Path) -> None:
    crops = load_dataset("folder", tiny).gallery
    before = decoded(crops, fallback_size=SIZE).copy()
    old = stored(cache, ".npy")
    write_image(crops.paths[2], seed=99)
    after = decoded(crops, fallback_size=SIZE)
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert changed == [False, False, True, False, False, False]
    assert len(stored(cache, ".npy")) == 1
    assert stored(cache, ".npy") != old


def test_parts_of_a_split_do_not_push_each_other_out(tiny: Path, cache: Path) -> None:
    crops = load_dataset("folder", tiny).gallery
    decoded(crops, fallback_size=SIZE)
    part = decoded(crops.select(crops.pids == 3), fallback_size=SIZE)
    assert len(part) == 2
    assert len(stored(cache, ".npy")) == 2


def test_every_unreadable_image_is_named(tiny: Path, cache: Path) -> None:
    crops = load_dataset("folder", tiny).gallery
    truncated, empty, text = crops.paths[1], crops.paths[3], crops.paths[5]
    truncated.write_bytes(truncated.read_bytes()[:-60])
    empty.write_bytes(b"")
    text.write_bytes(b"this is no image at all")
    with pytest.raises(UserError, match="3 images can't be read") as caught:
        decoded(crops, fallback_size=SIZE)
    for path, reason in ((truncated, "truncated"), (empty, "zero bytes"), (text, "not a JPEG")):
        assert f"{path} (" in caught.value.what
        assert reason in caught.value.what
    assert not stored(cache, ".npy")
    assert not stored(cache, ".tmp")


def test_huge_image_and_missing_file(tiny: Path) -> None:
    crops = load_dataset("folder", tiny).query
    Image.new("1", (12_000, 12_000)).save(crops.paths[0].with_suffix(".png"))
    huge = Crops((crops.paths[0].with_suffix(".png"),), crops.pids[:1], crops.camids[:1])
    with pytest.raises(UserError, match="too many pixels"):
        decoded(huge, fallback_size=SIZE)
    crops.paths[0].unlink()
    with pytest.raises(UserError, match="No such file"):
        decoded(crops, fallback_size=SIZE)


def test_cache_folder_that_cannot_be(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(UserError, match="can't write the image cache"):
        decoded(load_dataset("folder", tiny).query, fallback_size=SIZE)


PROGRAM = """
import sys, time
from pathlib import Path
from reid_srdl.data import load_dataset
from reid_srdl.data.cache import decoded
def progress(done, total):
    print("decoding", flush=True)
    time.sleep(float(sys.argv[2]))
pixels = decoded(load_dataset("folder", Path(sys.argv[1])).gallery, fallback_size=(9, 9),
                 progress=progress)
print(pixels.shape, int(pixels.sum()), flush=True)
"""


def start(tiny: Path, pause: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(tiny), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_killed_half_way(tiny: Path, cache: Path) -> None:
    child = start(tiny, 60)
    assert child.stdout is not None
    assert child.stdout.readline() == "decoding\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert stored(cache, ".tmp")
    assert not stored(cache, ".npy")
    crops = load_dataset("folder", tiny).gallery
    assert decoded(crops, fallback_size=SIZE).shape == (6, 16, 8, 3)
    assert not stored(cache, ".tmp")


def test_two_processes_at_once(tiny: Path, cache: Path) -> None:
    children = [start(tiny, 1.0), start(tiny, 1.0)]
    output = [child.communicate(timeout=50)[0].splitlines() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert sorted(len(lines) for lines in output) == [1, 2]  # one decoded, one waited
    assert output[0][-1] == output[1][-1]
    assert len(stored(cache, ".npy")) == 1
