"""Streams of images: their views against Pillow's plain resizing, and how they are served."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reid_srdl.data.augment import draw_corners
from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.data.classes.file_table import FileTable
from reid_srdl.data.classes.samples import PixelSource
from reid_srdl.data.classes.stream import ImageStream
from reid_srdl.data.images import UnreadableError, read_crop
from reid_srdl.data.prefetch import prefetched
from reid_srdl.errors import UserError
from reid_srdl.seeds import generator
from tests.data.classes.factory import write_picture

CPU = torch.device("cpu")
SIZE = (28, 28)  # covers 32 x 32


@pytest.fixture
def files(tmp_path: Path) -> FileTable:
    table = FileTable()
    names = []
    for number, size in enumerate(((64, 48), (48, 64), (300, 500), (32, 32), (33, 90), (20, 10))):
        names.append(f"{number}.{'png' if number % 2 else 'JPEG'}")
        write_picture(tmp_path / names[-1], *size)
    table.add(tmp_path, names)
    return table


def plain(path: Path, corner: tuple[float, float]) -> np.ndarray:
    """Resizes the shorter side to 32 and crops, as one would write it by hand."""
    image = Image.open(path).convert("RGB")
    scale = 32 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), 2)
    top = int(corner[0] * (image.height - 28 + 1))
    left = int(corner[1] * (image.width - 28 + 1))
    return np.asarray(image.crop((left, top, left + 28, top + 28)))


@pytest.mark.parametrize("corner", [(0.0, 0.0), (0.5, 0.5), (0.99, 0.2), (0.3, 0.999)])
def test_crops_are_those_of_the_whole_resized_image(
    files: FileTable, corner: tuple[float, float]
) -> None:
    stream = ImageStream(files, SIZE)
    crops = stream.crops(np.arange(6), np.tile(corner, (6, 1)))
    for path, crop in zip(files, crops, strict=True):
        difference = np.abs(crop.astype(int) - plain(path, corner).astype(int))
        # One JPEG is decoded at an eighth of its size, which averages squares of pixels.
        assert difference.max() <= (12 if path.name == "2.JPEG" else 3), path
        assert difference.mean() < 1.5, path


def test_the_clean_view_is_the_middle(files: FileTable) -> None:
    stream = ImageStream(files, SIZE)
    assert stream.shape == (6, 28, 28, 3)
    assert isinstance(stream, PixelSource)
    middle = stream.crops(np.array([4, 0]), np.full((2, 2), 0.5))
    np.testing.assert_array_equal(stream.read(np.array([4, 0])), middle)
    square = np.asarray(Image.open(files[3]))
    np.testing.assert_array_equal(stream.read(np.array([3]))[0], square[2:30, 2:30])


def test_sizes_that_are_not_square(files: FileTable) -> None:
    stream = ImageStream(files, (56, 28))  # covers 64 x 32
    assert stream.read(np.arange(6)).shape == (6, 56, 28, 3)
    expected = np.asarray(Image.open(files[1]).convert("RGB").resize((48, 64), 2))[4:60, 10:38]
    np.testing.assert_array_equal(stream.read(np.array([1]))[0], expected)


def test_every_corner_stays_inside(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for width, height in rng.integers(1, 90, (60, 2)).tolist():
        write_picture(tmp_path / "1.png", width, height)
        for corner in ((0.0, 1.0), (1.0, 0.0), (1.0, 1.0)):
            assert read_crop(tmp_path / "1.png", SIZE, (32, 32), corner).shape == (28, 28, 3)


def test_an_unreadable_image_is_named(files: FileTable) -> None:
    files[2].write_bytes(files[2].read_bytes()[:-500])
    stream = ImageStream(files, SIZE)
    with pytest.raises(UserError, match=r"2\.JPEG: can't be read \(image file is truncated"):
        stream.read(np.arange(6))
    with pytest.raises(UnreadableError):
        read_crop(files[2], SIZE, (32, 32), (0.5, 0.5))
    images = Images(stream, SIZE, CPU)
    with pytest.raises(UserError, match=r"2\.JPEG"):
        list(images.in_order(2))


def test_the_digest_tells_names_sizes_and_times(files: FileTable) -> None:
    before = ImageStream(files, SIZE).digest()
    assert ImageStream(files, SIZE).digest() == before
    assert ImageStream(files, (56, 56)).digest() != before
    write_picture(files[1], 48, 65)
    assert ImageStream(files, SIZE).digest() != before


def training_set(files: FileTable, flip: bool = True) -> TrainingSet:
    images = Images(ImageStream(files, SIZE), SIZE, CPU)
    return TrainingSet(images, np.arange(6, dtype=np.int64) % 2, pad=4, flip=flip)


def test_a_streams_training_views_are_its_draws(files: FileTable) -> None:
    served = training_set(files)
    corners, flips = draw_corners(generator(5, "phase", 3, "augment"), 6, flip=True)
    assert 0 < flips.sum() < 6
    seen = []
    for batch in served.epoch(2, 5, "phase", 3):
        for i, image in zip(batch.index.tolist(), batch.images, strict=True):
            crop = served.images._pixels.crops(np.array([i]), corners[[i]])  # type: ignore[union-attr]
            crop = crop[:, :, ::-1] if flips[i] else crop
            expected = served.images.normalise(torch.from_numpy(crop.copy()).permute(0, 3, 1, 2))
            assert torch.equal(image, expected[0])
            seen.append(i)
    assert sorted(seen) == list(range(6))
    other = torch.cat([batch.images for batch in served.epoch(6, 5, "phase", 4)])
    assert not torch.equal(other, torch.cat([b.images for b in served.epoch(6, 5, "phase", 3)]))


def test_a_streams_views_do_not_depend_on_their_batch(files: FileTable) -> None:
    served = training_set(files)

    def views(batch_size: int) -> dict[int, torch.Tensor]:
        return {
            int(i): image
            for batch in served.epoch(batch_size, 0, "phase", 0)
            for i, image in zip(batch.index, batch.images, strict=True)
        }

    one, three = views(1), views(3)
    assert all(torch.equal(one[i], three[i]) for i in range(6))


def test_in_order_serves_the_clean_view(files: FileTable) -> None:
    images = Images(ImageStream(files, SIZE), SIZE, CPU)
    served = torch.cat(list(images.in_order(4)))
    read = images.normalise(images.read(torch.arange(6)))
    assert torch.equal(served, read)
    assert served.shape == (6, 3, 28, 28)
    assert served.is_contiguous(memory_format=torch.channels_last)


def test_prefetching_keeps_order_and_a_bounded_number() -> None:
    started: list[int] = []

    def read(item: int) -> int:
        started.append(item)
        time.sleep(0.001 * (item % 3))
        return item * item

    results = prefetched(read, iter(range(50)), ahead=4)
    assert next(results) == 0
    time.sleep(0.05)
    assert len(started) <= 5
    assert list(results) == [item * item for item in range(1, 50)]


def test_reading_overlaps_the_work() -> None:
    started = [threading.Event() for _ in range(20)]

    def read(item: int) -> int:
        started[item].set()
        return item

    for item in prefetched(read, range(20)):
        # While this one is in use, the next is being read already.
        assert started[min(item + 1, 19)].wait(timeout=30)


def test_prefetching_raises_in_turn_and_stops_with_its_caller() -> None:
    def read(item: int) -> int:
        if item == 3:
            raise UserError("item 3", "mend it")
        return item

    results = prefetched(read, range(100))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(UserError, match="item 3"):
        next(results)
    abandoned = prefetched(lambda item: item, iter(range(10**9)))
    next(abandoned)
    del abandoned
    gc.collect()
    assert not [t for t in threading.enumerate() if t.name.startswith("prefetch")]
