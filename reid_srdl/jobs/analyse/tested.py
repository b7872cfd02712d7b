"""Networks of finished runs on the same test images, whose classes they name alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.jobs.analyse.named_networks import Named, named_network
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.records.belonging import check_classes
from reid_srdl.tasks.classification import ClassificationTask
from reid_srdl.training.precision import Compute


@dataclass(frozen=True)
class Tested:
    """A network on its test images.

    Attributes:
        named: the network.
        logits: N x C float32, on the CPU.
        labels: N int64.
        content: digest of the images; None where it is not known.
        device: what computed them.
    """

    named: Named
    logits: Tensor
    labels: Tensor
    content: str | None
    device: str


def tested_together(texts: Sequence[str], place: Place) -> list[Tested]:
    """Returns what networks of one data set say of its test images.

    Raises:
        UserError: runs of different data sets, classes or test images, or of re-id; or as
            `named_network`.
    """
    named = [named_network(text) for text in texts]
    _check_alike(texts, named)
    tested: list[Tested] = []
    for text, member in zip(texts, named, strict=True):
        tested.append(test_network(text, member, place))
        if tested[-1].content != tested[0].content:
            raise UserError(
                f"{texts[0]} and {text}: their test images are not the same ones",
                "name runs on the same data, or give all of them one --data-dir",
            )
    return tested


def test_network(text: str, named: Named, place: Place) -> Tested:
    """Returns what a network says of its test images.

    Raises:
        UserError: a re-id run, data that cannot be read or that have other classes.
    """
    task, compute = opened_classes(text, named, place)
    with compute.activated():
        logits = task.test_logits(named.network.to(compute.device), text)
    content = task.facts.content
    return Tested(
        named,
        logits,
        torch.from_numpy(task.test_labels),
        content.test if content is not None else None,
        compute.device_name,
    )


def opened_classes(text: str, named: Named, place: Place) -> tuple[ClassificationTask, Compute]:
    """Opens the data set of a classification run.

    Raises:
        UserError: a re-id run, data that cannot be read or that have other classes.
    """
    task, compute = place.opened(named.config, network=named.network.spec)
    if not isinstance(task, ClassificationTask):
        raise UserError(
            f"{text}: a re-id run; its test images have no classes that it knows",
            "name classification runs",
            usage=True,
        )
    check_classes(text, named.classes, "the data", task.classes)
    return task, compute


def _check_alike(texts: Sequence[str], named: Sequence[Named]) -> None:
    first = named[0].subject.dataset
    for text, member in zip(texts, named, strict=True):
        if member.subject.dataset != first:
            raise UserError(
                f"{texts[0]} was trained on {first}, {text} on {member.subject.dataset}",
                "name runs on the same data set",
                usage=True,
            )
        check_classes(texts[0], named[0].classes, text, member.classes)
