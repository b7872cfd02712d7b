"""A trained network's file: safetensors, so that opening a stranger's file runs no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.files import whole_file
from reid_srdl.models import NETWORK_NAMES
from reid_srdl.models.build import build_network
from reid_srdl.models.network import Network

_FORMAT = "reid-srdl"


def write_tensors(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Writes named tensors and JSON-able facts to one file, whole or not at all."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(plain, metadata={_FORMAT: json.dumps(facts)})
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what ``write_tensors`` wrote.

    Raises:
        UserError: no such file, or a file that this project did not write.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such weights file", "name a run folder that finished training")
    try:
        with safe_open(path, framework="pt") as file:
            facts = (file.metadata() or {}).get(_FORMAT)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        facts = None
    if facts is None:
        raise UserError(
            f"{path}: not a weights file of reid-srdl; nothing in it was executed",
            "name a run folder or weights written by reid-srdl train",
        )
    return tensors, json.loads(facts)


def save_network(path: Path, network: Network, name: str) -> None:
    """Writes a network's weights with what is needed to build it again."""
    facts: dict[str, Any] = {"model": name, "classes": network.classes}
    if network.input_size is not None:
        facts["size"] = network.input_size
    write_tensors(path, network.state_dict(), facts)


def load_network(path: Path) -> Network:
    """Builds the network that a weights file describes and loads its weights.

    Raises:
        UserError: the file is missing, foreign, or does not fit the network that it names.
    """
    tensors, facts = read_tensors(path)
    name, classes = facts.get("model"), facts.get("classes")
    if not isinstance(name, str) or name not in NETWORK_NAMES or not isinstance(classes, int):
        raise UserError(f"{path}: names no known network", "name a weights file of a finished run")
    height, width = facts.get("size", (0, 0))
    size = (int(height), int(width)) if height else None
    network = build_network(name, classes, seed=0, size=size)
    try:
        network.load_state_dict(tensors)
    except RuntimeError:
        raise UserError(f"{path}: its weights do not fit {name}", "train the run again") from None
    return network.to(memory_format=torch.channels_last)
