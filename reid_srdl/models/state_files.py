"""Files of weights that others wrote: read without running code, loaded without the classifier."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models.damage import AGAIN
from reid_srdl.models.foreign.checkpoint import read_state
from reid_srdl.models.tensor_files import is_marked, read_tensors

# torchvision's DenseNet files date from a release that named these layers with a dot.
OLD_DENSENET_KEY = re.compile(
    r"^(features\..*denselayer\d+\.(?:norm|conv))\.([12]\.(?:weight|bias|running_mean|running_var))$"
)
_TRUNK = "trunk."
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")  # heads that no network of ours has


def load_all_but_classifier(
    network: nn.Module, path: Path, classifier: str, *, name: str, hint: str
) -> None:
    """Loads a library's weights into its network; the classifier stays as it is.

    Args:
        network: the library's network.
        path: a state dictionary, as PyTorch or safetensors writes it.
        classifier: path of the module that stays; empty where the network has none.
        name: the network's name, for messages.
        hint: which file to give instead.

    Raises:
        UserError: the file cannot be read without running code, or its weights do not fit.
    """
    own = f"{classifier}." if classifier else "\0"
    trunk = {
        OLD_DENSENET_KEY.sub(r"\1\2", key): value
        for key, value in read_state(path).items()
        if not key.startswith((own, *AUXILIARY))
    }
    try:
        missing = network.load_state_dict(trunk, strict=False)
        fits = not missing.unexpected_keys and all(
            key.startswith(own) or key.endswith(".num_batches_tracked")
            for key in missing.missing_keys
        )
    except RuntimeError:  # shapes differ
        fits = False
    if not fits:
        raise UserError(f"{path}: these are not the weights of {name}", hint)


def own_trunk(path: Path) -> dict[str, Tensor] | None:
    """Returns the trunk's weights from a weights file of a run here; None: it is another's file.

    Raises:
        UserError: as `read_state`, or a run's file is damaged.
    """
    if path.suffix != ".safetensors":
        return None
    state = read_tensors(path, hint=AGAIN)[0] if is_marked(path) else read_state(path)
    trunk = {key: value for key, value in state.items() if key.startswith(_TRUNK)}
    if not trunk or "classifier.weight" not in state:
        return None
    return {key.removeprefix(_TRUNK): value for key, value in trunk.items()}


def load_trunk(trunk: nn.Module, state: dict[str, Tensor], path: Path, name: str) -> None:
    """Loads a trunk's weights.

    Raises:
        UserError: they do not fit.
    """
    try:
        trunk.load_state_dict(state)
    except RuntimeError:
        raise UserError(
            f"{path}: these are not the weights of {name}", "give those of a run on this network"
        ) from None
