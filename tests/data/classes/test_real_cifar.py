"""The real CIFAR-100, where REID_SRDL_DATA names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets

from reid_srdl.data import ClassData, load_classes
from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.data.check import check_dataset
from reid_srdl.data.locate import ClassCounts
from reid_srdl.data.normalisation import CIFAR100
from tests.real_cifar import FOLDER, find_cifar100


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return find_cifar100(tmp_path_factory)


@pytest.fixture(scope="module")
def data(place: Path, tmp_path_factory: pytest.TempPathFactory) -> ClassData:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(tmp_path_factory.mktemp("cache")))
        return load_classes("cifar100", place)


def test_every_image_is_as_torchvision_reads_it(data: ClassData) -> None:
    for samples, train in ((data.train, True), (data.test, False)):
        theirs = torchvision.datasets.CIFAR100(data.root.parent, train=train)
        assert data.root.name == FOLDER
        assert samples.labels.tolist() == theirs.targets
        np.testing.assert_array_equal(samples.pixels, theirs.data)
        assert np.bincount(samples.labels).tolist() == [500 if train else 100] * 100
        assert list(data.classes) == theirs.classes


def test_mean_and_deviation_are_those_of_the_training_pixels(data: ClassData) -> None:
    assert isinstance(data.train.pixels, np.ndarray)
    # From how often each of the 256 values occurs, in exact integers.
    for channel in range(3):
        counts = np.bincount(data.train.pixels[..., channel].ravel(), minlength=256)
        values = np.arange(256)
        mean = (counts * values).sum() / counts.sum()
        std = np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum())
        assert CIFAR100.mean[channel] == round(float(mean) / 255, 4)
        assert CIFAR100.std[channel] == round(float(std) / 255, 4)


def test_normalised_images_have_mean_0_and_deviation_1(data: ClassData) -> None:
    images = Images(data.train.pixels, (32, 32), torch.device("cpu"), CIFAR100)
    total, squares, count = torch.zeros(3).double(), torch.zeros(3).double(), 0
    for batch in images.in_order(5000):
        total += batch.double().sum((0, 2, 3))
        squares += batch.double().square().sum((0, 2, 3))
        count += batch.shape[0] * 32 * 32
    assert (total / count).abs().max() < 1e-3
    assert (squares / count - 1).abs().max() < 1e-3


def test_an_epoch_holds_every_image_in_one_of_its_162_views(data: ClassData) -> None:
    images = Images(data.train.pixels, (32, 32), torch.device("cpu"), CIFAR100)
    served = TrainingSet(images, data.train.labels, pad=4, flip=True)
    batch = next(iter(served.epoch(128, 0, "fit", 0)))
    assert torch.equal(batch.labels, torch.from_numpy(data.train.labels)[batch.index])
    clean = images.normalise(images.read(batch.index[:8]))
    padded = torch.nn.functional.pad(clean, (4, 4, 4, 4), mode="reflect")
    for view, source in zip(batch.images[:8], padded, strict=True):
        views = [
            turned[:, top : top + 32, left : left + 32]
            for top in range(9)
            for left in range(9)
            for turned in (source, source.flip(2))
        ]
        assert sum(torch.equal(view, candidate) for candidate in views) >= 1


def test_check(place: Path) -> None:
    report = check_dataset("cifar100", place)
    assert report.ok, report.problems
    official = {"train": ClassCounts(50_000, 100), "test": ClassCounts(10_000, 100)}
    assert {row.split: row.counts for row in report.rows} == official
    assert all(row.md5 == row.official for row in report.sums[:3])
