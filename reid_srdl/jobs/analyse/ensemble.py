"""Ensembles of networks of any finished runs: their probabilities are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from reid_srdl.analysis.accuracy import class_scores
from reid_srdl.analysis.ensembles import mean_log_probabilities
from reid_srdl.errors import UserError
from reid_srdl.jobs.analyse.named_networks import Named, named_network
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.records.analyses import EnsembleRecord, Member
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
        UserError: fewer than two members, runs of different data sets or of re-id, or as
            `named_network`.
    """
    if len(texts) < 2:
        raise UserError("an ensemble has two networks at least", "name more", usage=True)
    place = place or Place()
    named = [named_network(text) for text in texts]
    _check_alike(texts, named)
    labels: Tensor | None = None
    logits: list[Tensor] = []
    device = ""
    for text, member in zip(texts, named, strict=True):
        found, own_labels, device = _test_logits(text, member, place)
        if labels is not None and not torch.equal(labels, own_labels):
            raise UserError(
                f"{texts[0]} and {text}: their test images have different labels",
                "name runs on the same data",
            )
        labels = own_labels
        logits.append(found)
    assert labels is not None
    record = EnsembleRecord(
        members=tuple(
            Member(subject=member.subject, scores=class_scores(own, labels))
            for member, own in zip(named, logits, strict=True)
        ),
        scores=class_scores(mean_log_probabilities(logits), labels),
        device=device,
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


def _test_logits(text: str, member: Named, place: Place) -> tuple[Tensor, Tensor, str]:
    """Returns a member's test logits, N x C, the labels, and what computed them."""
    task, compute = place.opened(member.config)
    if not isinstance(task, ClassificationTask):
        raise UserError(
            f"{text}: a re-id run; its test images have no probabilities to average",
            "name classification runs",
            usage=True,
        )
    with compute.activated():
        logits = task.test_logits(member.network.to(compute.device), text)
    return logits, torch.from_numpy(task.test_labels), compute.device_name
