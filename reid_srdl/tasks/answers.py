"""What networks answer for test images is finite, or an error."""

from __future__ import annotations

import torch
from torch import Tensor

from reid_srdl.errors import UserError


def check_answers(answers: Tensor, what: str) -> None:
    """Refuses N x D features or logits that are not finite: no number may come of them.

    Args:
        answers: in the images' order.
        what: whose they are, e.g. ``query``.

    Raises:
        UserError: some are NaN or infinite; images are counted.
    """
    bad = int((~torch.isfinite(answers)).any(dim=1).sum())
    if bad:
        raise UserError(
            f"{what}: the network answers NaN or infinity for {bad:,} of {len(answers):,} images",
            "train it again with a lower optim.lr, or evaluate another network",
        )
