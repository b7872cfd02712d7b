"""What networks answer for images that they are judged on, by any number of processes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_srdl.data.batches import Images
from reid_srdl.errors import UserError
from reid_srdl.group.processes import Alone, Group
from reid_srdl.training.joining import Joining


@torch.inference_mode()
def answers_of(
    answer: Callable[[Tensor], Tensor],
    images: Images,
    order: NDArray[np.int64],
    batch_size: int,
    *,
    told: Callable[[int], None] | None = None,
    group: Group | None = None,
) -> Tensor:
    """Returns M x D float32 answers for M images, in their order, on the CPU.

    Of N processes each answers every N-th batch, and has the answers of all: the batches, and so
    the bits, are those of one process.

    Args:
        answer: of a network, B x D, for B images.
        images: all of them.
        order: M positions of images.
        batch_size: B; the last batch may be smaller.
        told: of the images that are done.
        group: the processes that share the work, each of which calls this.
    """
    joining = Joining(group or Alone())
    rank, size = joining.part
    mine = order[np.arange(len(order)) // batch_size % size == rank]
    batches = map(images.normalise, images.in_batches(mine, batch_size))
    rows: list[Tensor] = []
    width = 0
    for first in range(0, len(order), size * batch_size):
        batch = next(batches, None)
        own = None if batch is None else answer(batch).float().cpu()
        if size > 1:
            own = _of_all(joining, own, batch_size, width)
            width = own.shape[1]
        assert own is not None
        rows.append(own[: len(order) - first])
        if told is not None:
            told(min(first + size * batch_size, len(order)))
    return torch.cat(rows)


def _of_all(joining: Joining, own: Tensor | None, batch_size: int, width: int) -> Tensor:
    """Returns the answers of all processes; after those of the last images stand zeros.

    Args:
        joining: the processes.
        own: this one's; None: no images are left for it.
        batch_size: images of a full batch.
        width: of an answer; 0: process 0, which has the first batch, is asked.
    """
    width = width or int(joining.told("" if own is None else str(own.shape[1])))
    whole = torch.zeros(batch_size, width)
    if own is not None:
        whole[: len(own)] = own
    (gathered,) = joining.gathered([whole])
    return gathered


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
