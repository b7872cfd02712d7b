"""MNIST in torchvision's layout, against torchvision's own reading of it."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets

from reid_srdl.data import load_classes
from reid_srdl.data.augment import Draws, Normaliser, crop_and_flip
from reid_srdl.data.check import check_dataset
from reid_srdl.data.classes import mnist
from reid_srdl.data.normalisation import MNIST
from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.tasks.classification import ClassificationTask
from reid_srdl.training.precision import choose


def idx(values: np.ndarray) -> bytes:
    head = bytes((0, 0, 8, values.ndim))
    return head + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write(raw: Path, monkeypatch: pytest.MonkeyPatch, *, images: int = 7, most: int = 9) -> Path:
    """Writes both splits and makes their sums the official ones."""
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for count, files in zip((images, 4), mnist.SPLITS.values(), strict=True):
        pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = np.linspace(0, most, count).astype(np.uint8)
        for name, values in zip(files, (pixels, labels), strict=True):
            put(raw / name, idx(values), monkeypatch)
    return raw


def put(path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(content)
    monkeypatch.setitem(mnist.MD5, path.name, hashlib.md5(content).hexdigest())


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write(tmp_path / "data" / "MNIST" / "raw", monkeypatch)


def test_read_as_torchvision_reads_it_plain_or_gzipped(raw: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    packed.mkdir()
    for path in raw.iterdir():
        (packed / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    for place in (raw, raw.parent, raw.parents[1], packed):
        ours = load_classes("mnist", place)
        for samples, train in ((ours.train, True), (ours.test, False)):
            theirs = torchvision.datasets.MNIST(raw.parents[1], train=train)
            assert samples.pixels.shape[1:] == (28, 28, 1)
            np.testing.assert_array_equal(samples.pixels[..., 0], theirs.data.numpy())
            assert samples.labels.tolist() == theirs.targets.tolist()
    assert check_dataset("mnist", packed).sums[0].file == "train-images-idx3-ubyte.gz"


def test_a_corrupt_file_is_named_with_both_sums(raw: Path) -> None:
    victim = raw / "t10k-images-idx3-ubyte"
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    with pytest.raises(
        UserError, match=f"{victim.name}: corrupt.*{hashlib.md5(content).hexdigest()}"
    ):
        load_classes("mnist", raw)
    report = check_dataset("mnist", raw)
    assert [row.file for row in report.sums if row.md5 != row.official] == [victim.name]
    (raw / f"{victim.name}.gz").write_bytes(gzip.compress(bytes(content))[:-9])
    victim.unlink()
    with pytest.raises(UserError, match=f"{victim.name}.gz: corrupt"):
        load_classes("mnist", raw)
    (raw / f"{victim.name}.gz").unlink()
    with pytest.raises(UserError, match=f"{victim.name}: No such file"):
        load_classes("mnist", raw)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-labels-idx1-ubyte", idx(np.zeros(6, np.uint8)), "6 labels for 7 images"),
        ("train-labels-idx1-ubyte", idx(np.full(7, 10, np.uint8)), "labels up to 10"),
        ("train-labels-idx1-ubyte", idx(np.zeros(7, np.uint8))[:-1], "no idx file of 1 dim"),
        ("train-images-idx3-ubyte", idx(np.zeros((7, 784), np.uint8)), "no idx file of 3 dim"),
        ("train-images-idx3-ubyte", b"", "no idx file of 3 dim"),
    ],
)
def test_what_files_should_not_hold(
    raw: Path, name: str, content: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(raw / name, content, monkeypatch)
    with pytest.raises(UserError, match=message):
        load_classes("mnist", raw)
    assert any(message in problem.text for problem in check_dataset("mnist", raw).problems)


def test_a_grey_image_is_cropped_and_normalised_as_a_plain_loop_would() -> None:
    images = torch.randint(0, 256, (3, 1, 6, 5), generator=torch.Generator().manual_seed(0))
    images = images.to(torch.uint8)
    offsets = torch.tensor([[0, 0], [4, 2], [1, 3]])
    crops = crop_and_flip(images, Draws(offsets, torch.tensor([False, False, True])), 2, "zero")
    for image, crop, (top, left), flip in zip(images, crops, offsets, (0, 0, 1), strict=True):
        padded = torch.nn.functional.pad(image, (2, 2, 2, 2))[:, top : top + 6, left : left + 5]
        assert torch.equal(crop, padded.flip(2) if flip else padded)
    for width in (5, None, 9):
        normal = Normaliser(MNIST, torch.device("cpu"), width)(images)
        assert torch.allclose(normal, (images / 255 - 0.1307) / 0.3081, atol=1e-5)
        assert normal.shape == images.shape


def test_the_real_set() -> None:
    if not (named := os.environ.get("REAL_DATA")):
        pytest.skip("REID_SRDL_DATA is not set")
    try:
        data = load_classes("mnist", Path(named))
    except UserError as error:
        pytest.skip(error.what)
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    assert data.train.pixels.mean() / 255 == pytest.approx(MNIST.mean[0], abs=1e-4)
    assert data.train.pixels.std() / 255 == pytest.approx(MNIST.std[0], abs=1e-4)
    assert data.train.labels[:5].tolist() == [5, 0, 4, 1, 9]


def test_colours_are_no_matter_of_grey_images() -> None:
    grey = {"data": {"name": "mnist", "jitter": {"hue": 0.1}}, "method": {"name": "vanilla"}}
    asked = experiment(grey)
    with pytest.raises(UserError, match=r"data\.jitter: the images of mnist are grey"):
        ClassificationTask(asked.data, asked.eval, choose("cpu", "fp32", 1), lambda *_: None)


def test_its_defaults_are_the_lectures_students() -> None:
    made = experiment({"data": {"name": "mnist"}, "method": {"name": "vanilla"}})
    data, optim = made.data, made.optim
    assert (data.height, data.width, data.pad, data.flip) == (28, 28, 0, False)
    assert (optim.batch_size, optim.lr, optim.momentum, optim.weight_decay) == (128, 0.05, 0.9, 0)
    assert (made.model.name, made.model.dropout, made.train.epochs) == ("mlp-800", 0, 60)
