"""How well logits tell classes apart."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reid_srdl.analysis.class_scores import ClassScores

_TOP = 5


def class_scores(logits: Tensor, labels: Tensor) -> ClassScores:
    """Returns top-1, top-5 and mean cross-entropy.

    Of equal logits the class of the lower index goes first, so that a network which says the same
    of all classes is right where the label is 0, and not everywhere.

    Args:
        logits: N x C, or log-probabilities.
        labels: N int64 classes.

    >>> class_scores(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])).top1
    0.5
    """
    logits = logits.double()
    classes = torch.arange(logits.shape[1], device=logits.device)
    own = logits.gather(1, labels[:, None])
    ahead = (logits > own) | ((logits == own) & (classes < labels[:, None]))
    rank = ahead.sum(dim=1)  # classes that are preferred to the label
    return ClassScores(
        top1=float((rank < 1).double().mean()),
        top5=float((rank < _TOP).double().mean()) if logits.shape[1] > _TOP else None,
        loss=float(F.cross_entropy(logits, labels)),
        images=len(labels),
    )
