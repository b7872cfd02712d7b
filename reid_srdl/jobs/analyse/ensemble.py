"""Ensembles of networks of any finished runs: their probabilities are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reid_srdl.analysis.accuracy import class_scores
from reid_srdl.analysis.ensembles import mean_log_probabilities
from reid_srdl.errors import UserError
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.jobs.analyse.tested import tested_together
from reid_srdl.records.analyses import EnsembleRecord, Member


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
        UserError: fewer than two members; or as `tested_together`.
    """
    if len(texts) < 2:
        raise UserError("an ensemble has two networks at least", "name more", usage=True)
    place = place or Place()
    tested = tested_together(texts, place)
    labels, logits = tested[0].labels, [one.logits for one in tested]
    record = EnsembleRecord(
        members=tuple(
            Member(subject=one.named.subject, scores=class_scores(one.logits, labels))
            for one in tested
        ),
        scores=class_scores(mean_log_probabilities(logits), labels),
        device=tested[-1].device,
    )
    kept = tested[0].named.folder.analysis("ensemble")
    place.keep(kept, record)
    return record, kept
