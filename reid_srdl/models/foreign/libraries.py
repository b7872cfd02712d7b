"""Files of torchvision, timm and torchreid: their keys are the library network's own."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from reid_srdl.models import split_name
from reid_srdl.models.changes import Change, Normalised
from reid_srdl.models.foreign.found import Found
from reid_srdl.models.foreign.library_keys import AUXILIARY, as_of_today
from reid_srdl.models.foreign.normalisations import IMAGENET
from reid_srdl.models.network import Network

# Networks that torchreid ranks by cosine (configs/im_osnet_ain_x1_0_*.yaml, dist_metric).
_BY_COSINE = {("torchreid", f"osnet_ain_x{width}") for width in ("1_0", "0_75", "0_5", "0_25")}
_WITHIN = "library."  # where the trunk of a network of timm has the library's own


def read(state: Mapping[str, Tensor], network: Network) -> Found:
    """Turns a library's tensors into those of a network that was built by the library.

    A linear layer on the features that no layer of the trunk is called like is the classifier.

    Args:
        state: the tensors.
        network: as ``--model`` names it; its weights do not matter.
    """
    own = network.trunk.state_dict()
    within = _WITHIN if own and all(key.startswith(_WITHIN) for key in own) else ""
    renamed = as_of_today(state, {key.removeprefix(within) for key in own})
    trunk: dict[str, Tensor] = {}
    left: dict[str, Tensor] = {}
    notes = []
    for key, value in renamed.items():
        if within + key in own:
            trunk[within + key] = value
        elif key.startswith(AUXILIARY):
            notes.append(f"left out: {key}, of a second head that serves training alone")
        else:
            left[key] = value
    ends, path = _classifier(left, network.feature_dim)
    trunk |= {key: value for key, value in left.items() if not path or not key.startswith(path)}
    library, name = split_name(network.spec.name) or ("torchvision", network.spec.name)
    judged = {"distance": "cosine"} if (library, name) in _BY_COSINE else {}
    changes = (_normalised(library, name),)
    return Found(library, trunk, ends, changes, evaluation=judged, notes=tuple(notes))


def _classifier(left: Mapping[str, Tensor], features: int) -> tuple[dict[str, Tensor], str]:
    """Returns the tensors of the classifier by our keys, and the path that they stand below."""
    found = [
        key.removesuffix("weight")
        for key, value in left.items()
        if key.endswith(".weight") and value.dim() == 2 and value.shape[1] == features
    ]
    if len(found) != 1:
        return {}, ""
    path = found[0]
    own = {key.removeprefix(path): value for key, value in left.items() if key.startswith(path)}
    return {f"classifier.{key}": value for key, value in own.items()}, path


def _normalised(library: str, name: str) -> Change:
    """Returns how a library's network takes its pixels."""
    if library != "timm":
        return IMAGENET
    timm: Any = importlib.import_module("timm")
    published = timm.models.get_pretrained_cfg(name)
    if published is None:
        return IMAGENET
    (m1, m2, m3), (s1, s2, s3) = published.mean, published.std
    return Normalised((float(m1), float(m2), float(m3)), (float(s1), float(s2), float(s3)))
