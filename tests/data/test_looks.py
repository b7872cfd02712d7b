"""Erasing, colours and zero padding: against the authors' loop, torchvision and torch's own pad."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import ks_2samp, kstest
from torchvision.transforms.v2 import functional

from reid_srdl.config import DataConfig, ErasingConfig
from reid_srdl.data.augment import Draws, crop_and_flip, draw_epoch
from reid_srdl.data.augmentation import PLAIN, Augmentation, Erasing, Jitter, augmentation_of
from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.data.erasing import draw_rectangles, erase
from reid_srdl.data.jitter import draw_factors, recolour
from reid_srdl.seeds import generator

CPU = torch.device("cpu")
COLOURS = Jitter(0.4, 0.3, 0.5, 0.2)
EVERYTHING = Augmentation("zero", COLOURS, Erasing(1.0))


def pixels(images: int = 6, height: int = 12, width: int = 8) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (images, height, width, 3), dtype=np.uint8)


def rectangles(count: int, size: tuple[int, int], erasing: Erasing, seed: int = 0) -> np.ndarray:
    return draw_rectangles(lambda name: generator(seed, name), count, size, erasing)


# Erasing


def test_areas_are_uniform_where_all_rectangles_fit() -> None:
    size = (400, 400)
    drawn = rectangles(4000, size, Erasing(1.0, (0.05, 0.25), (0.5, 2.0)))
    shares = drawn[:, 2] * drawn[:, 3] / (size[0] * size[1])
    assert kstest(shares, "uniform", (0.05, 0.2)).pvalue > 0.01
    ratios = drawn[:, 2] / drawn[:, 3]
    assert kstest(ratios, "uniform", (0.5, 1.5)).pvalue > 0.01
    tops = drawn[:, 0] / (size[0] - drawn[:, 2])
    assert kstest(tops, "uniform").pvalue > 0.01


def authors_loop(rng: random.Random, height: int, width: int, erasing: Erasing) -> tuple[int, int]:
    """The loop of the authors' code, one image at a time."""
    for _ in range(100):
        area = rng.uniform(*erasing.area) * height * width
        ratio = rng.uniform(*erasing.ratio)
        h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if w < width and h < height:
            return h, w
    return 0, 0


@pytest.mark.parametrize("size", [(256, 128), (64, 64)])
def test_rectangles_that_do_not_fit_are_drawn_anew_as_the_authors_do(size: tuple[int, int]) -> None:
    erasing, rng = Erasing(1.0), random.Random(1)
    ours = rectangles(3000, size, erasing)
    theirs = np.array([authors_loop(rng, *size, erasing) for _ in range(3000)])
    for of in (lambda sides: sides[:, 0] * sides[:, 1], lambda sides: sides[:, 0] / sides[:, 1]):
        assert ks_2samp(of(ours[:, 2:]), of(theirs)).pvalue > 0.01
    assert (ours[:, :2] >= 0).all()
    assert (ours[:, :2] + ours[:, 2:] <= size).all()


def test_the_probability_is_that_of_each_image() -> None:
    drawn = rectangles(5000, (64, 32), Erasing(0.3))
    assert (drawn[:, 2] > 0).mean() == pytest.approx(0.3, abs=0.02)
    assert not rectangles(50, (64, 32), Erasing(0.0)).any()
    assert not rectangles(50, (64, 32), Erasing(1.0, (0.99, 0.99), (50.0, 50.0))).any()  # no room


def test_draws_of_an_image_do_not_depend_on_the_others() -> None:
    many, few = (rectangles(count, (256, 128), Erasing(0.8)) for count in (500, 40))
    assert (many[:40] == few).all()
    colours = [draw_factors(generator(0, "jitter"), count, COLOURS) for count in (500, 40)]
    assert (colours[0][:40] == colours[1]).all()


def test_erasing_sets_the_rectangle_and_nothing_else() -> None:
    drawn = torch.from_numpy(rectangles(6, (12, 8), Erasing(0.7)))
    assert (drawn[:, 2] == 0).any()
    before = torch.rand(6, 3, 12, 8) + 1
    after = erase(before.clone(), drawn)
    for was, is_, (top, left, height, width) in zip(before, after, drawn.tolist(), strict=True):
        expected = was.clone()
        expected[:, top : top + height, left : left + width] = 0
        assert torch.equal(is_, expected)


# Colours


def test_colours_are_torchvisions() -> None:
    shown = torch.from_numpy(pixels()).permute(0, 3, 1, 2)
    factors = torch.from_numpy(draw_factors(generator(1, "jitter"), 6, COLOURS))
    ours = recolour(shown, factors, COLOURS)
    for image, one, (brightness, contrast, saturation, hue) in zip(
        shown.float() / 255, ours, factors.tolist(), strict=True
    ):
        expected = functional.adjust_brightness(image, brightness)
        expected = functional.adjust_contrast(expected, contrast)
        expected = functional.adjust_saturation(expected, saturation)
        expected = functional.adjust_hue(expected, hue)
        assert torch.allclose(one / 255, expected, atol=2e-5)
    assert not torch.allclose(ours, shown.float(), atol=1)


def test_factors_are_uniform_and_what_has_no_reach_stays() -> None:
    drawn = draw_factors(generator(2, "jitter"), 5000, COLOURS)
    bounds = [(0.6, 0.8), (0.7, 0.6), (0.5, 1.0), (-0.2, 0.4)]
    for column, bound in zip(drawn.T, bounds, strict=True):
        assert kstest(column, "uniform", bound).pvalue > 0.01
    shown = torch.from_numpy(pixels()).permute(0, 3, 1, 2)
    one = Jitter(brightness=0.4)
    factors = torch.from_numpy(draw_factors(generator(1, "jitter"), 6, one))
    assert (factors[:, 1:] == torch.tensor([1.0, 1.0, 0.0])).all()
    expected = (shown / 255 * factors[:, 0, None, None, None]).clamp(max=1) * 255
    assert torch.allclose(recolour(shown, factors, one), expected, atol=1e-3)


# Padding


def test_crops_come_from_the_zero_padded_image() -> None:
    images = torch.from_numpy(pixels()).permute(0, 3, 1, 2)
    draws = draw_epoch(np.random.default_rng(1), 6, pad=3, flip=True)
    ours = crop_and_flip(images, draws, 3, "zero")
    padded = F.pad(images, (3, 3, 3, 3))
    for i, (top, left) in enumerate(draws.offsets.tolist()):
        expected = padded[i, :, top : top + 12, left : left + 8]
        assert torch.equal(ours[i], expected.flip(2) if draws.flips[i] else expected)
    middle = Draws(torch.full((6, 2), 3), torch.zeros(6, dtype=torch.bool))
    assert torch.equal(crop_and_flip(images, middle, 3, "zero"), images)


# Served


def served(augmentation: Augmentation = PLAIN, images: int = 6) -> TrainingSet:
    labels = np.arange(images, dtype=np.int64) % 2
    shown = Images(pixels(images), (12, 8), CPU)
    return TrainingSet(shown, labels, pad=2, flip=True, augmentation=augmentation)


def views(training_set: TrainingSet, batch_size: int, epoch: int = 0) -> dict[int, torch.Tensor]:
    return {
        int(i): image
        for batch in training_set.epoch(batch_size, 0, "phase", epoch)
        for i, image in zip(batch.index, batch.images, strict=True)
    }


def test_what_a_sample_looks_like_does_not_depend_on_its_batch() -> None:
    one, three = (views(served(EVERYTHING), batch_size) for batch_size in (1, 3))
    assert all(torch.equal(one[i], three[i]) for i in range(6))
    other = views(served(EVERYTHING), 3, epoch=1)
    assert not any(torch.equal(one[i], other[i]) for i in range(6))
    assert all(image.dtype == torch.float32 for image in one.values())


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(pad_with="zero"),
        Augmentation(jitter=COLOURS),
        Augmentation(erasing=Erasing(1.0)),
    ],
    ids=["zero", "jitter", "erasing"],
)
def test_each_is_seen_and_leaves_the_other_draws_as_they_are(augmentation: Augmentation) -> None:
    plain, changed = views(served(), 3), views(served(augmentation), 3)
    assert not all(torch.equal(plain[i], changed[i]) for i in range(6))
    if augmentation.jitter is None:  # pixels that are not black or erased are those of plain
        fill = served().images.normalise(torch.zeros(1, 3, 1, 1, dtype=torch.uint8))[0]
        for i in range(6):
            own = (changed[i] != plain[i]).any(0)
            value = changed[i][:, own]
            expected = torch.zeros(3, 1) if augmentation.erasing else fill[:, 0]
            assert torch.equal(value, expected.expand_as(value))


def test_erased_pixels_are_the_mean_exactly() -> None:
    changed = views(served(Augmentation(erasing=Erasing(1.0))), 3)
    assert all((image == 0).all(0).any() for image in changed.values())


def test_a_configuration_says_what_is_done() -> None:
    assert augmentation_of(DataConfig()) == PLAIN
    erasing = ErasingConfig(probability=0.5, area=(0.1, 0.2))
    whole = DataConfig.model_validate(
        {"pad_with": "zero", "erasing": erasing.model_dump(), "jitter": {"hue": 0.1}}
    )
    assert augmentation_of(whole) == Augmentation("zero", Jitter(hue=0.1), Erasing(0.5, (0.1, 0.2)))
