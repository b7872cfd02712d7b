"""Files of named tensors: trained networks with their specs, checkpoints, knowledge.

They are safetensors with a checksum: opening a stranger's file runs no code, and a damaged one is
never taken for a whole one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.files import whole_file
from reid_srdl.models.build import build
from reid_srdl.models.network import Network
from reid_srdl.models.origin import ORIGIN, Origin
from reid_srdl.models.spec_files import FACTS, HINT, SPEC, spec_in
from reid_srdl.seals import check_seal


def write_tensors(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Writes named tensors and JSON-able facts to one file, whole or not at all.

    The same tensors and facts make the same file, to the byte.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(facts)
    # One value: safetensors writes several in an order that changes from process to process.
    content = save(plain, metadata={FACTS: f"{_checksum(plain, text)} {text}"})
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def read_tensors(
    path: Path, *, hint: str = "delete it, or name a file that reid-srdl wrote"
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what ``write_tensors`` wrote.

    Args:
        path: the file.
        hint: what to do where it cannot be read.

    Raises:
        UserError: no such file, one that this project did not write, or a damaged one.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file", hint)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError:
        what = "cut, damaged, or not a file of reid-srdl; nothing in it was executed"
        raise UserError(f"{path}: {what}", hint) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})", hint) from None
    if FACTS not in metadata:
        raise UserError(f"{path}: not a file of reid-srdl; nothing in it was executed", hint)
    checksum, _, text = metadata[FACTS].partition(" ")
    if checksum != _checksum(tensors, text):
        raise UserError(f"{path}: damaged: its content does not have its checksum", hint)
    return tensors, _facts(path, text, hint)


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


def _facts(path: Path, text: str, hint: str) -> dict[str, Any]:
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise UserError(f"{path}: what it says of itself is no table of facts", hint)
    return facts


def _checksum(tensors: dict[str, Tensor], facts: str) -> str:
    """Returns a digest of contiguous tensors (name, type, shape, bytes) and of the facts."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(facts.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
