"""Augmentation against libraries' own padding and cropping, pixel by pixel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reid_srdl.data.augment import (
    Draws,
    Normaliser,
    crop_and_flip,
    draw_epoch,
    normalise,
    resize,
)
from reid_srdl.data.augmentation import Augmentation, Erasing, Jitter
from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.data.normalisation import CIFAR10, IMAGENET
from reid_srdl.data.samplers import Identities
from reid_srdl.seeds import generator

CPU = torch.device("cpu")


def pixels(images: int = 6, height: int = 12, width: int = 8) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (images, height, width, 3), dtype=np.uint8)


def test_crops_come_from_the_reflection_padded_image() -> None:
    images = torch.from_numpy(pixels()).permute(0, 3, 1, 2)
    draws = draw_epoch(np.random.default_rng(1), 6, pad=3, flip=True)
    ours = crop_and_flip(images, draws, pad=3)
    padded = F.pad(images.float(), (3, 3, 3, 3), mode="reflect").to(torch.uint8)
    for i, (top, left) in enumerate(draws.offsets.tolist()):
        expected = padded[i, :, top : top + 12, left : left + 8]
        if draws.flips[i]:
            expected = expected.flip(2)
        assert torch.equal(ours[i], expected)


def test_the_middle_offset_is_the_image_itself() -> None:
    images = torch.from_numpy(pixels()).permute(0, 3, 1, 2)
    draws = Draws(torch.full((6, 2), 4), torch.zeros(6, dtype=torch.bool))
    assert torch.equal(crop_and_flip(images, draws, pad=4), images)


def test_draws_are_uniform_fair_and_one_per_image() -> None:
    draws = draw_epoch(np.random.default_rng(0), 20000, pad=4, flip=True)
    counts = np.bincount(draws.offsets[:, 0].numpy(), minlength=9)
    assert counts.min() > 0.9 * 20000 / 9
    assert counts.max() < 1.1 * 20000 / 9
    assert draws.flips.float().mean().item() == pytest.approx(0.5, abs=0.02)
    fewer = draw_epoch(np.random.default_rng(0), 10, pad=4, flip=True)
    assert torch.equal(fewer.offsets, draws.offsets[:10])
    assert not draw_epoch(np.random.default_rng(0), 100, pad=4, flip=False).flips.any()


def test_normalise_is_torchvisions() -> None:
    from torchvision.transforms.v2 import functional

    images = torch.from_numpy(pixels()).permute(0, 3, 1, 2)
    expected = functional.normalize(images.float() / 255, list(IMAGENET.mean), list(IMAGENET.std))
    assert torch.allclose(normalise(images), expected, atol=1e-5)


def test_resize_is_pillows_bilinear() -> None:
    from PIL import Image

    array = pixels(1, 64, 32)
    smooth = np.asarray(Image.fromarray(array[0]).resize((16, 32)).resize((32, 64)))
    ours = resize(torch.from_numpy(smooth.copy()).permute(2, 0, 1)[None], 128, 64)
    theirs = np.asarray(Image.fromarray(smooth).resize((64, 128), Image.Resampling.BILINEAR))
    difference = np.abs(ours[0].permute(1, 2, 0).numpy().astype(int) - theirs.astype(int))
    assert difference.max() <= 1


def test_an_epoch_visits_each_image_once_and_drops_the_last_partial_batch() -> None:
    labels = np.array([0, 1, 0, 1, 0, 1], dtype=np.int64)
    served = TrainingSet(Images(pixels(), (12, 8), CPU), labels, pad=2, flip=True)
    batches = list(served.epoch(4, 0, "phase", 0))
    assert len(batches) == served.steps(4) == 1
    index = torch.cat([batch.index for batch in served.epoch(2, 0, "phase", 0)])
    assert sorted(index.tolist()) == list(range(6))
    assert batches[0].images.shape == (4, 3, 12, 8)
    assert batches[0].images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batches[0].labels, torch.from_numpy(labels)[batches[0].index])


def test_what_a_sample_looks_like_does_not_depend_on_its_batch() -> None:
    labels = np.arange(6, dtype=np.int64) % 2
    served = TrainingSet(Images(pixels(), (12, 8), CPU), labels, pad=2, flip=True)

    def views(batch_size: int) -> dict[int, torch.Tensor]:
        return {
            int(i): image
            for batch in served.epoch(batch_size, 0, "phase", 0)
            for i, image in zip(batch.index, batch.images, strict=True)
        }

    one, three = views(1), views(3)
    assert all(torch.equal(one[i], three[i]) for i in range(6))


def test_the_key_tells_pixels_labels_and_size() -> None:
    labels = np.arange(6, dtype=np.int64) % 2
    changed = pixels()
    changed[3, 2, 1, 0] ^= 1
    keys = {
        TrainingSet(Images(array, size, CPU), y, pad=2, flip=True).key
        for array, size, y in [
            (pixels(), (12, 8), labels),
            (changed, (12, 8), labels),
            (pixels(), (24, 16), labels),
            (pixels(), (12, 8), 1 - labels),
        ]
    }
    assert len(keys) == 4


@pytest.mark.parametrize("width", [None, 8, 5])
def test_a_normaliser_works_at_any_width_and_layout(width: int | None) -> None:
    images = torch.from_numpy(pixels()).permute(0, 3, 1, 2)
    kept = Normaliser(CIFAR10, CPU, width)
    mean = torch.tensor(CIFAR10.mean)[:, None, None] * 255
    std = torch.tensor(CIFAR10.std)[:, None, None] * 255
    expected = (images.float() - mean) / std
    for layout in (images, images.contiguous()):
        assert torch.equal(kept(layout), expected)
        assert kept(layout).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [(12, 8), (24, 16), (9, 11)])
def test_served_batches_are_crops_of_the_normalised_images(size: tuple[int, int]) -> None:
    labels = np.arange(6, dtype=np.int64)
    images = Images(pixels(), size, CPU, CIFAR10)
    served = TrainingSet(images, labels, pad=2, flip=True)
    draws = draw_epoch(generator(3, "phase", 1, "augment"), 6, pad=2, flip=True)
    for batch in served.epoch(3, 3, "phase", 1):
        clean = images.normalise(images.read(batch.index))
        padded = F.pad(clean, (2, 2, 2, 2), mode="reflect")
        for image, source, i in zip(batch.images, padded, batch.index.tolist(), strict=True):
            top, left = draws.offsets[i].tolist()
            view = source[:, top : top + size[0], left : left + size[1]]
            assert torch.equal(image, view.flip(2) if draws.flips[i] else view)


def test_a_memory_map_is_served_like_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", pixels())
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    labels = np.arange(6, dtype=np.int64)
    sets = [
        TrainingSet(Images(array, (24, 16), CPU), labels, pad=2, flip=True)
        for array in (pixels(), mapped)
    ]
    assert sets[0].key == sets[1].key
    for one, other in zip(*(served.epoch(2, 0, "phase", 0) for served in sets), strict=True):
        assert torch.equal(one.images, other.images)
    clean = [torch.cat(list(served.images.in_order(4))) for served in sets]
    assert torch.equal(*clean)


def test_the_key_tells_the_normalisation() -> None:
    keys = {Images(pixels(), (12, 8), CPU, kind).digest() for kind in (IMAGENET, CIFAR10)}
    assert len(keys) == 2


def test_the_parts_of_a_batch_are_the_whole_one() -> None:
    served = TrainingSet(
        Images(pixels(13), (12, 8), CPU),
        np.arange(13, dtype=np.int64) % 3,
        pad=2,
        flip=True,
        augmentation=Augmentation(jitter=Jitter(0.5), erasing=Erasing(0.9)),
    )
    pairs = Identities(3, 2)  # images come again, and look otherwise then
    how: dict[str, Any] = {"draws": 4, "first": 1, "sampler": pairs}
    whole = list(served.epoch(6, 0, "phase", 0, **how))
    for size in (2, 3):
        parts = [list(served.epoch(6, 0, "phase", 0, **how, part=(r, size))) for r in range(size)]
        for place, batch in enumerate(whole):
            own = [part[place] for part in parts]
            assert torch.equal(torch.cat([one.images for one in own]), batch.images)
            for one in own:
                assert torch.equal(one.index, batch.index)
                assert torch.equal(one.labels, batch.labels)
                assert torch.equal(one.weight, batch.weight)
                assert one.draws is not None
                assert batch.draws is not None
                assert torch.equal(one.draws, batch.draws)


def test_every_nth_clean_batch_is_a_processes_own() -> None:
    served = TrainingSet(Images(pixels(13), (12, 8), CPU), np.zeros(13, np.int64), pad=2, flip=True)
    whole = list(served.clean(3, first=2))
    assert [len(one) for one in whole] == [3, 3, 3, 2]
    for rank in range(3):
        own = list(served.clean(3, first=2, part=(rank, 3)))
        assert len(own) == len(whole[rank::3])
        assert all(torch.equal(a, b) for a, b in zip(own, whole[rank::3], strict=True))
