"""How keys of the libraries' files differ from those of their networks of today."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from torch import Tensor

from reid_srdl.models.foreign.checkpoint import PREFIXES

AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")  # heads that no network of ours has

# torchvision's DenseNet files date from a release that named these layers with a dot.
_OLD_DENSENET_KEY = re.compile(
    r"^(features\..*denselayer\d+\.(?:norm|conv))\.([12]\.(?:weight|bias|running_mean|running_var))$"
)


def as_of_today(state: Mapping[str, Tensor], own: Collection[str]) -> dict[str, Tensor]:
    """Returns tensors by keys of today, without the prefix of what was a part of something larger.

    Args:
        state: a file's tensors.
        own: the network's keys; a prefix goes only where one of them is left.
    """
    renamed = {}
    for key, value in state.items():
        new = _OLD_DENSENET_KEY.sub(r"\1\2", key)
        bare = next((new.removeprefix(p) for p in PREFIXES if new.startswith(p)), new)
        renamed[bare if new not in own and bare in own and bare not in state else new] = value
    return renamed
