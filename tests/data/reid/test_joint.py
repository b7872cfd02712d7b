"""Joint sets: identities and cameras apart, batches of equal parts, names that can be joined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reid_srdl.data import DATASET_NAMES, find_entry, load_dataset, load_people, part_names
from reid_srdl.data.balanced import balanced, check_balance
from reid_srdl.data.content import content_of
from reid_srdl.data.reid.joint import set_of_each
from reid_srdl.errors import UserError
from reid_srdl.seeds import generator
from tests.small_set import write_small_set


def test_classes_are_the_sum_and_nobody_meets_anybody(tmp_path: Path) -> None:
    one = write_small_set(tmp_path / "a", train=3)
    two = write_small_set(tmp_path / "b", train=5, height=48)
    joint = load_people([("walkers", one), ("folder", two)])
    alone = [load_dataset("walkers", one), load_dataset("folder", two)]
    assert joint.name == "walkers+folder"
    assert len(joint.class_names) == sum(len(part.class_names) for part in alone) == 8
    assert joint.class_names[:4] == ("1", "2", "3", "1001")
    for split in ("train", "query", "gallery", "boxes"):
        crops, parts = getattr(joint, split), [getattr(part, split) for part in alone]
        assert crops.paths == tuple(path for part in parts for path in part.paths)
        first = len(parts[0])
        assert not set(crops.camids[:first].tolist()) & set(crops.camids[first:].tolist())
        people = [set(some[some > 0].tolist()) for some in np.split(crops.pids, [first])]
        assert not people[0] & people[1]
        nobody = np.concatenate([part.pids for part in parts]) < 1
        assert (crops.pids[nobody] < 1).all()
        assert (crops.pids[~nobody] > 0).all()
    sets = set_of_each(joint)
    assert sets is not None
    assert np.bincount(sets).tolist() == [len(part.train) for part in alone]


def test_content_is_that_of_the_parts_in_their_order(tmp_path: Path) -> None:
    one, two = (write_small_set(tmp_path / name, train=n) for name, n in (("a", 3), ("b", 4)))
    here = content_of(load_people([("walkers", one), ("folder", two)]))
    assert here == content_of(load_people([("walkers", one), ("folder", two)]))
    swapped = content_of(load_people([("walkers", two), ("folder", one)]))
    assert here.train.digest != swapped.train.digest
    alone = content_of(load_dataset("walkers", one))
    assert here.train.digest != alone.train.digest
    assert here.test.files == alone.test.files + content_of(load_dataset("folder", two)).test.files


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("walkers+walkers", "joins walkers with itself"),
        ("walkers+cifar100", "cifar100 is a data set of classes"),
        ("walkers+walker", "no such data set: 'walker'"),
    ],
)
def test_what_cannot_be_joined(name: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        part_names(name)


def test_joint_names_are_names() -> None:
    assert "market1501+msmt17" in DATASET_NAMES
    assert "market1501+" not in DATASET_NAMES
    assert find_entry("market1501+msmt17").task == "reid"


def test_equal_parts_of_each_batch_and_every_image_once_before_any_twice() -> None:
    sets = np.array([0] * 20 + [1] * 5)
    labels = np.arange(25)

    def draw(own: np.ndarray, size: int, name: str) -> np.ndarray:
        return generator(0, name).permutation(len(own))[: len(own) // size * size]

    order = balanced(sets, labels, 6, "phase", draw).reshape(4, 6)
    assert (np.sort(sets[order], axis=1) == [0, 0, 0, 1, 1, 1]).all()
    large, small = order[:, :3].ravel(), order[:, 3:].ravel()
    assert len(set(large.tolist())) == 12, "a set that is not used up shows no image twice"
    assert set(small.tolist()) <= set(range(20, 25))
    assert all(len(set(batch.tolist())) == 3 for batch in small.reshape(4, 3))
    assert (balanced(sets, labels, 6, "phase", draw) == order.ravel()).all()
    assert (balanced(sets, labels, 6, "another", draw) != order.ravel()).any()


def test_parts_that_are_not_equal_are_refused() -> None:
    sets = np.array([0] * 20 + [1] * 5)
    check_balance(sets, 10)
    with pytest.raises(UserError, match="7 has no 2 equal parts"):
        check_balance(sets, 7)
    with pytest.raises(UserError, match="6 images of each set are more than the 5 of one"):
        check_balance(sets, 12)
