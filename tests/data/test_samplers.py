"""P x K against a plain loop, and what an image looks like that comes again."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reid_srdl.data.augment import crop_and_flip, draw_epoch
from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.data.classes.samples import PixelSource
from reid_srdl.data.samplers import Identities, Shuffled, draw_rows
from reid_srdl.seeds import generator

CPU = torch.device("cpu")


def labels_of(counts: list[int]) -> NDArray[np.int64]:
    """Labels of so many images each, mixed."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(3).permutation(labels).astype(np.int64)


def parts(order: NDArray[np.int64], size: int) -> list[list[int]]:
    """The order in parts of a size, the last of which may be smaller."""
    return [order[start : start + size].tolist() for start in range(0, len(order), size)]


def plain_loop(
    labels: NDArray[np.int64], p: int, k: int, seed: int, phase: str, epoch: int
) -> list[list[int]]:
    """The sampler as it is told, a step at a time and an image at a time."""
    identities = sorted(set(labels.tolist()))
    of = {y: [i for i, label in enumerate(labels.tolist()) if label == y] for y in identities}
    walk = generator(seed, phase, epoch, "identities")
    draws = {y: generator(seed, phase, epoch, "images", y) for y in identities}
    left: list[int] = []
    images: dict[int, list[int]] = {y: [] for y in identities}
    batches = []
    for _ in range(len(labels) // (p * k)):
        if len(left) < p:
            left = [identities[place] for place in walk.permutation(len(identities))]
        batch = []
        for _ in range(p):
            y = left.pop(0)
            own: list[int] = []
            while len(own) < k:
                if not images[y]:
                    drawn = [of[y][place] for place in draws[y].permutation(len(of[y]))]
                    new = [i for i in drawn if i not in own]
                    images[y] = new + [i for i in drawn if i in own]
                own.append(images[y].pop(0))
            batch += own
        batches.append(batch)
    return batches


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=9), st.data())
def test_batches_are_those_of_a_plain_loop(counts: list[int], data: st.DataObject) -> None:
    labels = labels_of(counts)
    p, k = data.draw(st.integers(2, len(counts))), data.draw(st.integers(1, 5))
    epoch = data.draw(st.integers(0, 3))
    order = Identities(p, k).order(labels, p * k, 7, "one", epoch)
    ours = parts(order, p * k)
    assert ours == plain_loop(labels, p, k, 7, "one", epoch)
    assert len(ours) == len(labels) // (p * k)  # floor(N / B), as when shuffled
    for batch in ours:
        found = Counter(labels[batch].tolist())
        assert len(found) == p
        assert set(found.values()) == {k}
        for identity in found:
            if counts[identity] >= k:
                assert len({i for i in batch if labels[i] == identity}) == k


def test_every_identity_comes_once_before_any_twice() -> None:
    labels = labels_of([12] * 6)
    order = Identities(3, 2).order(labels, 6, 0, "one", 0)
    walk = labels[order].reshape(-1, 2)[:, 0]
    assert len(walk) == 36
    for round_ in walk.reshape(-1, 6):
        assert sorted(round_.tolist()) == list(range(6))
    for identity in range(6):  # and each of its images once before any twice
        own = [i for i in order.tolist() if labels[i] == identity]
        assert len(own) == len(set(own)) == 12


def test_fewer_than_p_left_begin_anew() -> None:
    labels = labels_of([6] * 7)
    walk = labels[Identities(3, 2).order(labels, 6, 0, "one", 0)].reshape(-1, 2)[:, 0]
    for round_ in parts(walk, 6):  # of seven: two batches, and one identity is left
        assert len(set(round_)) == len(round_)


def test_an_identity_of_few_images_repeats_them_evenly() -> None:
    labels = labels_of([2, 8, 8])
    order = Identities(3, 4).order(labels, 12, 0, "one", 0)
    few = Counter(i for i in order.tolist() if labels[i] == 0)
    assert sorted(few.values()) == [2, 2]


def test_draws_are_named_by_seed_phase_and_epoch() -> None:
    labels = labels_of([5] * 6)
    drawn = [
        Identities(2, 3).order(labels, 6, *named).tolist()
        for named in ((0, "one", 0), (0, "one", 0), (1, "one", 0), (0, "two", 0), (0, "one", 1))
    ]
    assert drawn[0] == drawn[1]
    assert len({tuple(order) for order in drawn}) == 4


def test_shuffled_is_the_permutation_that_it_always_was() -> None:
    order = Shuffled().order(labels_of([5, 6]), 4, 3, "one", 2)
    assert order.tolist() == generator(3, "one", 2, "shuffle").permutation(11)[:8].tolist()
    assert draw_rows(order, 11).tolist() == order.tolist()


def served(counts: list[int], pad: int = 2) -> TrainingSet:
    labels = labels_of(counts)
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), 12, 8, 3), dtype=np.uint8)
    return TrainingSet(Images(pixels, (12, 8), CPU), labels, pad=pad, flip=True)


def test_a_repeated_image_has_a_draw_of_its_own() -> None:
    images, sampler = served([1, 2, 9]), Identities(3, 4)
    (batch,) = images.epoch(12, 5, "one", 0, sampler=sampler)
    order = batch.index.tolist()
    assert Counter(images.labels[batch.index].tolist()) == {0: 4, 1: 4, 2: 4}
    copies = [view for i, view in zip(order, batch.images, strict=True) if images.labels[i] == 0]
    assert len({tuple(view.flatten().tolist()) for view in copies}) == 4

    draws = draw_epoch(generator(5, "one", 0, "augment"), 100, 2, True)
    spare = 12
    for place, (i, view) in enumerate(zip(order, batch.images, strict=True)):
        row = i
        if i in order[:place]:
            row, spare = spare, spare + 1
        clean = images.images.read(torch.tensor([i]))
        expected = crop_and_flip(clean, draws.take(torch.tensor([row])), 2)
        assert torch.equal(images.images.normalise(expected)[0], view)


@pytest.mark.parametrize("first", [1, 3])
def test_an_epoch_goes_on_with_the_same_batches(first: int) -> None:
    images, sampler = served([1, 3, 8, 12]), Identities(2, 3)
    whole = list(images.epoch(6, 0, "one", 1, sampler=sampler))
    rest = list(images.epoch(6, 0, "one", 1, first=first, sampler=sampler))
    assert len(whole) == 4
    assert len(rest) == 4 - first
    for one, other in zip(whole[first:], rest, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.index, other.index)


class Stream:
    """Six images that are their number, and crops that say where they were taken."""

    shape = (6, 4, 4, 3)

    def __len__(self) -> int:
        return 6

    def read(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.broadcast_to(index[:, None, None, None], (len(index), 4, 4, 3)).astype(np.uint8)

    def crops(self, index: NDArray[np.int64], corners: NDArray[np.float64]) -> NDArray[np.uint8]:
        pixels = self.read(index).copy()
        pixels[:, :, :, 1] = np.floor(corners[:, 0] * 256)[:, None, None]
        return pixels

    def digest(self) -> str:
        return "stream"


def test_a_streamed_image_that_comes_again_is_cropped_elsewhere() -> None:
    source: PixelSource = Stream()
    labels = np.array([0, 1, 1, 1, 1, 1], np.int64)
    images = TrainingSet(Images(source, (4, 4), CPU), labels, pad=0, flip=False)
    (batch,) = images.epoch(6, 0, "one", 0, sampler=Identities(2, 3))
    first = batch.index == 0
    assert first.sum() == 3
    assert len(set(batch.images[first][:, 1, 0, 0].tolist())) == 3
