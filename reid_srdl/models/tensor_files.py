"""Files of named tensors with a checksum: networks, checkpoints, knowledge.

They are safetensors: opening a stranger's file runs no code, and a damaged one is never taken for a
whole one.
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
from reid_srdl.models.damage import damage
from reid_srdl.models.spec_files import FACTS


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
        what = damage(path, safetensors=True) or "damaged, or not a file of reid-srdl"
        raise UserError(f"{path}: {what}; nothing in it was executed", hint) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})", hint) from None
    if FACTS not in metadata:
        raise UserError(f"{path}: not a file of reid-srdl; nothing in it was executed", hint)
    checksum, _, text = metadata[FACTS].partition(" ")
    if checksum != _checksum(tensors, text):
        raise UserError(f"{path}: damaged: its content does not have its checksum", hint)
    return tensors, _facts(path, text, hint)


def is_marked(path: Path) -> bool:
    """Says whether a safetensors file says that this project wrote it."""
    try:
        with safe_open(path, framework="pt") as file:
            return FACTS in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


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
