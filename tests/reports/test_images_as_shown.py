"""Number 7 and its kind: what a viewer shows is what is read, or the image is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from reid_srdl.data.classes.file_table import FileTable
from reid_srdl.data.classes.stream import ImageStream
from reid_srdl.data.images import UnreadableError, image_size, read_crop, read_rgb

RNG = np.random.default_rng(7)
PIXELS = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)

# How a camera stores an upright picture under each orientation: the inverse of what is shown.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def stored(way: int, pixels: np.ndarray = PIXELS) -> tuple[Image.Image, Image.Exif]:
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = way
    return image.transpose(STORED[way]) if way in STORED else image, exif


@given(way=st.integers(0, 300), ending=st.sampled_from(["png", "webp", "jpg", "tif"]))
def test_07_orientation(tmp_path_factory: pytest.TempPathFactory, way: int, ending: str) -> None:
    path = tmp_path_factory.mktemp("image") / f"a.{ending}"
    image, exif = stored(way)
    image.save(path, exif=exif, **({"lossless": True} if ending == "webp" else {}))
    shown = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    assert shown.shape == (12, 20, 3)
    np.testing.assert_array_equal(read_rgb(path), shown)
    assert image_size(path) == (12, 20)
    if ending != "jpg":
        np.testing.assert_array_equal(shown, PIXELS)


@pytest.mark.parametrize("way", range(1, 9))
def test_07_orientation_in_streams(tmp_path: Path, way: int) -> None:
    smooth = Image.fromarray(PIXELS[:3, :5]).resize((500, 300), Image.Resampling.BICUBIC)
    image, exif = stored(way, np.asarray(smooth))
    image.save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    smooth.save(tmp_path / "upright.png")
    for corner in ((0.0, 0.9), (0.5, 0.5)):
        both = [
            read_crop(tmp_path / name, (28, 28), (32, 32), corner).astype(int)
            for name in ("a.jpg", "upright.png")
        ]
        assert np.abs(both[0] - both[1]).max() <= 12
    table = FileTable()
    table.add(tmp_path, ["a.jpg", "upright.png"])
    views = ImageStream(table, (28, 28)).read(np.arange(2)).astype(int)
    assert np.abs(views[0] - views[1]).max() <= 12


def test_07_damaged_exif_is_no_orientation(tmp_path: Path) -> None:
    for number, exif in enumerate((b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"junk", b"Exif\0\0II")):
        path = tmp_path / f"{number}.png"
        Image.fromarray(PIXELS).save(path, exif=exif)
        np.testing.assert_array_equal(read_rgb(path), PIXELS)


@given(grey=st.lists(st.integers(0, 65535), min_size=6, max_size=6))
def test_07_more_bits_are_scaled(tmp_path_factory: pytest.TempPathFactory, grey: list[int]) -> None:
    folder = tmp_path_factory.mktemp("deep")
    values = np.array(grey, np.uint16).reshape(2, 3)
    for name in ("a.png", "a.tif"):
        Image.fromarray(values).save(folder / name)
    Image.fromarray(values.astype(np.int32)).save(folder / "a.pgm")
    for name in ("a.png", "a.tif", "a.pgm"):
        read = read_rgb(folder / name)
        assert np.abs(read - (values / 257)[:, :, None]).max() <= 1
        assert (read == read[:, :, :1]).all()
    black, white = np.zeros((2, 2), np.uint16), np.full((2, 2), 65535, np.uint16)
    for values, level in ((black, 0), (white, 255)):
        Image.fromarray(values).save(folder / "b.png")
        assert (read_rgb(folder / "b.png") == level).all()


def test_07_transparency_is_laid_over_black(tmp_path: Path) -> None:
    alpha = (np.indices((12, 20)).sum(0) % 2 * 255).astype(np.uint8)
    image = Image.fromarray(PIXELS)
    image.putalpha(Image.fromarray(alpha))
    expected = np.where(alpha[:, :, None] == 255, PIXELS, 0)
    for name in ("a.png", "a.tif"):
        image.save(tmp_path / name)
        np.testing.assert_array_equal(read_rgb(tmp_path / name), expected)
    palette = Image.fromarray(PIXELS).quantize(8)
    index = np.asarray(palette)
    colours = np.asarray(palette.convert("RGB"))
    for name in ("p.png", "p.gif"):
        palette.save(tmp_path / name, transparency=3)
        read = read_rgb(tmp_path / name)
        clear = np.asarray(Image.open(tmp_path / name).convert("RGBA"))[..., 3] == 0
        assert clear.sum() == (index == 3).sum() > 0
        np.testing.assert_array_equal(read, np.where(clear[:, :, None], 0, colours))


def test_07_first_of_several_frames(tmp_path: Path) -> None:
    first, second = Image.fromarray(PIXELS), Image.new("RGB", (20, 12), (9, 9, 9))
    for name in ("a.png", "a.webp", "a.tif"):
        options = {"lossless": True} if name == "a.webp" else {}
        first.save(tmp_path / name, save_all=True, append_images=[second], **options)
        np.testing.assert_array_equal(read_rgb(tmp_path / name), PIXELS)


def test_07_inks_and_bits(tmp_path: Path) -> None:
    image = Image.fromarray(PIXELS)
    image.convert("CMYK").save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.tif"), PIXELS)
    image.convert("CMYK").save(tmp_path / "a.jpg")
    shown = np.asarray(Image.open(tmp_path / "a.jpg").convert("RGB"))
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.jpg"), shown)
    image.convert("1").save(tmp_path / "a.png")
    assert set(np.unique(read_rgb(tmp_path / "a.png"))) == {0, 255}


@pytest.mark.parametrize(
    ("pixels", "reason"), [(np.int32, "32-bit"), (np.float32, "floating-point")]
)
def test_07_pixels_without_a_white_are_refused(tmp_path: Path, pixels: type, reason: str) -> None:
    Image.fromarray(PIXELS[..., 0].astype(pixels)).save(tmp_path / "a.tif")
    with pytest.raises(UnreadableError, match=reason):
        read_rgb(tmp_path / "a.tif")


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "webp", "tif", "gif", "ppm"])
def test_07_truncated(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(RNG.integers(0, 256, (64, 32, 3), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    read_rgb(path)
    for share in (0.2, 0.5, 0.8):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UnreadableError):
            read_rgb(path)


def test_07_damaged_exif_is_read_without_a_word_of_pillows_code(tmp_path: Path) -> None:
    path = tmp_path / "odd.jpg"
    Image.fromarray(PIXELS).save(path, exif=b"Exif\0\0MM\0*garbage")
    code = f"from reid_srdl.data.images import *; read_rgb(Path({str(path)!r}))"
    command = [sys.executable, "-W", "default", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
