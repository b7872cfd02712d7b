"""What finished networks say of their test images: how sure they are, and where they agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from reid_srdl.analysis.predictions import agreement, decisions, entropies
from reid_srdl.errors import UserError
from reid_srdl.jobs.analyse.named_networks import kept_file, named_network
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.jobs.analyse.tested import test_network, tested_together
from reid_srdl.records.network_analyses import Agreement, Predictions

_BINS = 40


def measure_predictions(text: str, *, place: Place | None = None) -> tuple[Predictions, Path]:
    """Measures the entropy of a network's predictions on all test images.

    Args:
        text: ``RUN`` or ``RUN:NAME``.
        place: data and device.

    Returns:
        What was measured, and the file under ``RUN/analyses`` that records it.

    Raises:
        UserError: as `named_network` and `test_network`.
    """
    place = place or Place()
    tested = test_network(text, named_network(text), place)
    entropy, right = entropies(tested.logits), decisions(tested.logits) == tested.labels
    edges = torch.linspace(0, math.log(tested.logits.shape[1]), _BINS + 1, dtype=torch.float64)
    counts = torch.histogram(entropy.clamp(0, float(edges[-1])), edges).hist
    record = Predictions(
        subject=tested.named.subject,
        images=len(entropy),
        entropy=float(entropy.mean()),
        right=_mean(entropy[right]),
        wrong=_mean(entropy[~right]),
        edges=tuple(edges.tolist()),
        counts=tuple(int(count) for count in counts),
        device=tested.device,
    )
    kept = kept_file(tested.named, "predictions")
    place.keep(kept, record)
    return record, kept


def measure_agreement(
    texts: Sequence[str], *, place: Place | None = None
) -> tuple[Agreement, Path]:
    """Compares the decisions of networks on their test images, pair by pair.

    Args:
        texts: ``RUN`` or ``RUN:NAME`` of each; runs of one data set.
        place: data and device.

    Returns:
        What was found, and the file under the first run that records it.

    Raises:
        UserError: fewer than two networks; or as `tested_together`.
    """
    if len(texts) < 2:
        raise UserError("networks agree with others: one was named", "name more", usage=True)
    place = place or Place()
    tested = tested_together(texts, place)
    labels, made = tested[0].labels, [decisions(one.logits) for one in tested]
    same, errors = agreement(made, labels)
    record = Agreement(
        subjects=tuple(one.named.subject for one in tested),
        images=len(labels),
        accuracy=tuple(float((own == labels).double().mean()) for own in made),
        decisions=tuple(map(tuple, same)),
        errors=tuple(map(tuple, errors)),
        device=tested[-1].device,
    )
    kept = tested[0].named.folder.analysis("agreement")
    place.keep(kept, record)
    return record, kept


def _mean(values: Tensor) -> float | None:
    return float(values.mean()) if len(values) else None
