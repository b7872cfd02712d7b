"""A share of the labels: which ones, what they weigh, and what learns without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reid_srdl.data.batches import TrainingSet
from reid_srdl.data.labelled import labelled_images
from reid_srdl.errors import UserError
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.methods.vanilla import VanillaOptions, vanilla
from tests.class_set import write_class_folder
from tests.methods import exact
from tests.small_set import write_small_set
from tests.training import tiny, tiny_nets

tiny_nets.add_rows()


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.99, 1.0])
def test_a_share_of_each_class_shows_its_labels_and_one_at_least(share: float) -> None:
    labels = np.repeat(np.arange(4), [1, 2, 10, 300])[np.random.default_rng(0).permutation(313)]
    shown = labelled_images(labels, share)
    for label, count in enumerate((1, 2, 10, 300)):
        assert shown[labels == label].sum() == max(1, round(share * count))
    assert np.array_equal(shown, labelled_images(labels, share))
    if share == 0.1:
        assert not np.array_equal(
            np.flatnonzero(shown & (labels == 3)), np.flatnonzero(labels == 3)[:30]
        )


def test_a_view_of_the_classes_keeps_what_is_hidden() -> None:
    labels = np.arange(26) % 3
    shown = labelled_images(labels, 0.5)
    whole = TrainingSet(tiny.training_set().images, labels, pad=2, flip=True, labelled=shown)
    assert whole.labelled == shown.sum()
    assert whole.key != tiny.training_set().key
    part = whole.of_classes([2, 0])
    assert part.weight.tolist() == shown[labels != 1].tolist()
    for batch in whole.epoch(8, 0, "a", 0):
        assert batch.weight.tolist() == shown[batch.index].tolist()


def test_vanilla_is_a_plain_loop_with_masked_labels(tmp_path: Path) -> None:
    plain = exact.images()
    shown = labelled_images(plain.labels.numpy(), 0.5)
    trainer = exact.trainer(tmp_path, "tiny")
    trainer._training_set.weight = torch.from_numpy(shown).float()
    hand = exact.Descent(trainer.new_model().network)
    for batch in exact.batches("vanilla"):
        known = torch.from_numpy(shown[batch.index])
        hand.down(F.cross_entropy(hand.net(batch.images).logits[known], batch.labels[known]))
    done = vanilla(trainer, 1, VanillaOptions())
    assert exact.gap(done, {"vanilla": hand.net}) < 1e-9


def tree(place: Path, kind: str, **data: Any) -> dict[str, Any]:
    return {
        "data": {"height": 32, "width": 16, "name": kind, "dir": place / "set", **data},
        "model": {"name": "tiny"},
        "method": {"name": "vanilla"},
        "optim": {"batch_size": 8},
        "train": {"epochs": 1, "precision": "fp32", "threads": 1, "device": "cpu"},
        "run": {"dir": place / "runs"},
    }


@pytest.mark.parametrize(("kind", "shown"), [("folder", 6 * 2), ("class-folder", 6)])
def test_the_record_says_how_many_labels_were_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, shown: int
) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    if kind == "folder":
        write_small_set(tmp_path / "set")
    else:
        write_class_folder(tmp_path / "set", train=4, test=2)
    share = 0.3  # of 6 crops of each person 2, of 4 images of each class 1
    record = train(experiment(tree(tmp_path, kind, labelled=share)))
    assert record.dataset.labelled == shown
    assert record.config["data"]["labelled"] == share  # type: ignore[index, call-overload]
    whole = plan(experiment(tree(tmp_path, kind)))
    assert whole["dataset"]["labelled"] is None
    assert whole["phases"][0]["key"] != record.phases[0].key
    assert whole["experiment"] != record.experiment
    assert whole["dataset"]["images"] == record.dataset.images


@pytest.mark.parametrize("share", [0, -0.1, 1.01, "half"])
def test_a_share_outside_is_refused(share: Any) -> None:
    with pytest.raises(UserError, match=r"data\.labelled"):
        experiment({"data": {"labelled": share}})


def test_batches_by_labels_are_refused_with_it() -> None:
    drawn = {"identities": 4, "images": 4}
    with pytest.raises(UserError, match=r"data\.labelled.*P x K") as caught:
        experiment({"data": {"labelled": 0.5}, "sampler": drawn})
    assert "data.labelled=1" in caught.value.hint
    assert caught.value.exit_status == 2
