"""Files of weights that others wrote: read without running code, loaded without the classifier."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models.damage import AGAIN
from reid_srdl.models.foreign.checkpoint import read_state
from reid_srdl.models.foreign.library_keys import AUXILIARY, as_of_today
from reid_srdl.models.foreign.loading import COUNTER, check_kinds, some
from reid_srdl.models.tensor_files import is_marked, read_tensors

_TRUNK = "trunk."


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
    theirs = network.state_dict()
    trunk = {
        key: value
        for key, value in as_of_today(read_state(path), theirs).items()
        if not key.startswith((own, *AUXILIARY))
    }
    strange = [key for key in trunk if key not in theirs or theirs[key].shape != trunk[key].shape]
    lacking = [
        key
        for key in theirs
        if key not in trunk and not key.startswith(own) and not key.endswith(COUNTER)
    ]
    if strange or lacking:
        told = f"no place for {some(strange)}" if strange else f"it lacks {some(lacking)}"
        raise UserError(f"{path}: these are not the weights of {name}: {told}", hint)
    check_kinds(trunk, theirs, path, name)
    network.load_state_dict(trunk, strict=False)


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
    check_kinds(state, trunk.state_dict(), path, name)
    try:
        trunk.load_state_dict(state)
    except RuntimeError:
        raise UserError(
            f"{path}: these are not the weights of {name}", "give those of a run on this network"
        ) from None
