"""The meter of an epoch: what a checkpoint within the epoch keeps of it."""

from __future__ import annotations

import torch

from reid_srdl.training.meter import Meter
from reid_srdl.training.step import Answer

CPU = torch.device("cpu")


def meter() -> Meter:
    return Meter("one", 1, 1, 2, 4, CPU)


def test_an_epoch_kept_after_its_last_step_has_the_same_row() -> None:
    """A run may be killed while networks are judged: no step is left that would set the rate."""
    whole = meter()
    for number in (1.0, 2.0):
        loss = torch.tensor(number)
        whole.add({"net": Answer({"ce": loss}, torch.tensor(3), loss)}, 0.1 / number)
    again = meter()
    again.restore(*whole.state())
    told = {"seconds", "images_per_second"}
    assert again.row().model_dump(exclude=told) == whole.row().model_dump(exclude=told)
    assert again.row().lr == 0.05
