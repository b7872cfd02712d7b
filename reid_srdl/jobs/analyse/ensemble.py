"""Ensembles of networks of any finished runs: their probabilities are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reid_srdl.analysis.accuracy import class_scores
from reid_srdl.analysis.ensembles import mean_log_probabilities
from reid_srdl.errors import UserError
from reid_srdl.jobs.analyse.named_networks import Named, named_network
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.records.analyses import EnsembleRecord, Member
from reid_srdl.records.belonging import check_classes
from reid_srdl.tasks.classification import ClassificationTask


def judge_ensemble(
    texts: Sequence[str], *, place: Place | None = None
) -> tuple[EnsembleRecord, Path]:
    """Averages the probabilities of networks of finished runs on their test images.

    Args:
        texts: ``RUN`` or ``RUN:NAME`` of each member; runs of one data set.
        place: data and device.

    Returns:
        The scores of members and mean, and the file under the first run that records them.

    Raises:
        UserError: fewer than two members, runs of different data sets, classes or test images, or
            of re-id; or as `named_network`.
    """
    if len(texts) < 2:
        raise UserError("an ensemble has two networks at least", "name more", usage=True)
    place = place or Place()
    named = [named_network(text) for text in texts]
    _check_alike(texts, named)
    tested: list[_Tested] = []
    for text, member in zip(texts, named, strict=True):
        tested.append(_test_logits(text, member, place))
        if tested[-1].content != tested[0].content:
            raise UserError(
                f"{texts[0]} and {text}: their test images are not the same ones",
                "name runs on the same data, or give all of them one --data-dir",
            )
    labels, logits = tested[0].labels, [one.logits for one in tested]
    record = EnsembleRecord(
        members=tuple(
            Member(subject=member.subject, scores=class_scores(own, labels))
            for member, own in zip(named, logits, strict=True)
        ),
        scores=class_scores(mean_log_probabilities(logits), labels),
        device=tested[-1].device,
    )
    kept = named[0].folder.analysis("ensemble")
    place.keep(kept, record)
    return record, kept


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


@dataclass(frozen=True)
class _Tested:
    """A member on its test images: N x C logits, N labels, their content, what computed them."""

    logits: Tensor
    labels: Tensor
    content: str | None
    device: str


def _test_logits(text: str, member: Named, place: Place) -> _Tested:
    """Returns what a member says of its test images.

    Raises:
        UserError: a re-id run, data that cannot be read or that have other classes.
    """
    task, compute = place.opened(member.config)
    if not isinstance(task, ClassificationTask):
        raise UserError(
            f"{text}: a re-id run; its test images have no probabilities to average",
            "name classification runs",
            usage=True,
        )
    check_classes(text, member.classes, "the data", task.classes)
    with compute.activated():
        logits = task.test_logits(member.network.to(compute.device), text)
    content = task.facts.content
    return _Tested(
        logits,
        torch.from_numpy(task.test_labels),
        content.test if content is not None else None,
        compute.device_name,
    )
