"""Our networks as torchreid's: which of them are the same, and their weights by its names."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models import MODELS, split_name
from reid_srdl.models.changes import Dropout, Normalised
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec

# torchvision's networks that torchreid has, too, layer for layer and name for name.
_SAME = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
)
_HINT = "export it as a graph instead: -o model.onnx"


def torchreid_name(spec: NetworkSpec) -> str:
    """Returns what torchreid calls a network.

    Raises:
        UserError: it has none that answers the same.
    """
    library, name = split_name(spec.name) or ("torchvision", spec.name)
    if library == "timm" or (library == "torchvision" and name not in _SAME):
        known = ", ".join(name for name in MODELS if name in _SAME)
        raise UserError(
            f"torchreid has no network that answers as {spec.name} does",
            f"{_HINT}; torchreid takes {known} and torchreid:NAME",
        )
    changed = [
        change.name for change in spec.changes if not isinstance(change, Dropout | Normalised)
    ]
    if spec.channels != 3:
        changed.append("grey images")
    if changed:
        raise UserError(f"torchreid has no {name} with {', '.join(changed)}", _HINT)
    return name


def torchreid_state(network: Network) -> dict[str, Tensor]:
    """Returns a network's weights by the names that torchreid gives them.

    Args:
        network: one that `torchreid_name` names.
    """
    state = {
        **network.trunk.state_dict(),
        **{f"classifier.{key}": value for key, value in network.classifier.state_dict().items()},
    }
    return {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}


def write_checkpoint(path: Path, state: dict[str, Tensor]) -> None:
    """Writes weights as torchreid's engine does: the file's ``state_dict``.

    Raises:
        OSError: the operating system refuses, which torch itself would tell as a fault of torch.
    """
    content = io.BytesIO()
    torch.save({"state_dict": state}, content)
    path.write_bytes(content.getvalue())


def loaded_by_torchreid(name: str, classes: int, path: Path, state: dict[str, Tensor]) -> nn.Module:
    """Returns torchreid's network with a file's weights, read by its ``load_pretrained_weights``.

    Args:
        name: as torchreid calls it.
        classes: of its classifier.
        path: the file.
        state: what the file holds.

    Raises:
        UserError: torchreid would leave some of the weights out, or have no value for one of its.
    """
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
        from torchreid.reid.models import build_model
        from torchreid.reid.utils import load_pretrained_weights

        made: Any = build_model(name, classes, loss="softmax", pretrained=False, use_gpu=False)
        theirs = {key: value.shape for key, value in made.state_dict().items()}
        ours = {key: value.shape for key, value in state.items()}
        if differ := sorted(
            key for key in theirs.keys() | ours if theirs.get(key) != ours.get(key)
        ):
            raise UserError(
                f"torchreid's {name} has other layers: {', '.join(differ[:3])}"
                + (f" and {len(differ) - 3} more" if len(differ) > 3 else ""),
                _HINT,
            )
        load_pretrained_weights(made, str(path))
    network: nn.Module = made.eval()
    return network
