"""Files of trained networks: their weights, and the spec that they are built from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from reid_srdl.errors import UserError
from reid_srdl.models.build import build
from reid_srdl.models.network import Network
from reid_srdl.models.origin import ORIGIN, Origin
from reid_srdl.models.spec_files import HINT, SPEC, spec_in
from reid_srdl.models.tensor_files import read_tensors, write_tensors
from reid_srdl.seals import check_seal


def save_network(path: Path, network: Network, origin: Origin | None = None) -> None:
    """Writes a network's weights with the spec that it was built from, and where they come from."""
    facts: dict[str, Any] = {SPEC: network.spec.to_json()}
    if origin is not None:
        facts[ORIGIN] = origin.to_json()
    write_tensors(path, network.state_dict(), facts)


def load_network(path: Path) -> Network:
    """Builds the network that a weights file describes and loads its weights.

    Raises:
        UserError: the file is missing, foreign, damaged, or not what its run wrote; it has no
            spec, or one that no network satisfies; its weights do not fit.
    """
    check_seal(path)
    tensors, facts = read_tensors(path, hint=HINT)
    spec = spec_in(facts, path)
    unfit = UserError(f"{path}: its weights do not fit {spec.name}", HINT)
    classifier = tensors.get("classifier.weight")
    if classifier is None or len(classifier) != spec.classes:  # before memory is taken for them
        raise unfit
    try:
        network = build(spec, seed=0)
    except UserError as error:
        raise UserError(f"{path}: {error.what}", error.hint) from None
    try:
        network.load_state_dict(tensors)
    except RuntimeError:
        raise unfit from None
    return network.to(memory_format=torch.channels_last)
