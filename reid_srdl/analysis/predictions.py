"""What networks say of images: how sure they are, and where they agree."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def entropies(logits: Tensor) -> Tensor:
    """Returns H = -sum_c q_c log q_c of each image in nats, q = softmax(z): N float64.

    >>> from torch import zeros
    >>> entropies(zeros(1, 2)).item()  # ln 2
    0.6931471805599453
    """
    log_q = logits.double().log_softmax(dim=1)
    H: Tensor = -(log_q.exp() * log_q).sum(dim=1)  # noqa: N806 - the usual name
    return H


def decisions(logits: Tensor) -> Tensor:
    """Returns the class of the largest logit, of equal ones the lowest: N int64."""
    return logits.argmax(dim=1)


def agreement(
    made: Sequence[Tensor], labels: Tensor
) -> tuple[list[list[float]], list[list[float]]]:
    """Compares networks pair by pair.

    Args:
        made: the N decisions of each of K networks.
        labels: N classes.

    Returns:
        K x K shares of images on which both decide the same; and K x K shares of the images that
        at least one of the two gets wrong on which both make the same error, 1 where neither errs.
    """
    same = [[float((a == b).double().mean()) for b in made] for a in made]
    return same, [[_equal_errors(a, b, labels) for b in made] for a in made]


def _equal_errors(a: Tensor, b: Tensor, labels: Tensor) -> float:
    either = (a != labels) | (b != labels)
    if not either.any():
        return 1.0
    return float(((a == b) & either).sum() / either.sum())
