"""Whether stages of one network can be copied into another, told before either is made."""

from __future__ import annotations

import torch

from reid_srdl.models.build import build
from reid_srdl.models.dividing import copy_stages
from reid_srdl.models.spec import NetworkSpec


def check_copy(source: NetworkSpec, into: NetworkSpec, stages: int) -> None:
    """Checks by shapes alone, on the meta device, that the first stages of one fit the other.

    Raises:
        UserError: as `models.dividing.copy_stages`.
    """
    with torch.device("meta"):
        copy_stages(build(source, seed=0), build(into, seed=0), stages)
