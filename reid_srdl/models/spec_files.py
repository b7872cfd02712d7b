"""What a weights file says of its network, read without torch and without the weights."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from reid_srdl.errors import UserError
from reid_srdl.models.damage import AGAIN, damage
from reid_srdl.models.origin import ORIGIN, Origin
from reid_srdl.models.spec import NetworkSpec

# A key of a file's metadata, under which its checksum and its facts stand; one of the facts.
FACTS, SPEC = "reid-srdl", "spec"
HINT = "train the run again, or name weights of a finished run"


def read_spec(path: Path) -> NetworkSpec:
    """Returns the spec of the network whose weights a file holds.

    Raises:
        UserError: the file is missing, damaged or foreign, or it has no spec.
    """
    return spec_in(_facts(path), path)


def read_origin(path: Path) -> Origin:
    """Returns which run a file's weights come from, and their classes by name.

    Raises:
        UserError: the file is missing, damaged or foreign, or it does not say so.
    """
    facts = _facts(path)
    origin = Origin.from_json(facts.get(ORIGIN) if isinstance(facts, dict) else None)
    if origin is None:
        raise UserError(f"{path}: does not say which run and classes its weights are of", HINT)
    return origin


def _facts(path: Path) -> object:
    if not path.is_file():
        raise UserError(f"{path}: no such file", HINT)
    try:
        with safe_open(path, framework="np") as file:
            _checksum, _, text = (file.metadata() or {}).get(FACTS, "").partition(" ")
            return json.loads(text)
    except (SafetensorError, OSError):
        if told := damage(path, safetensors=True):
            raise UserError(f"{path}: {told}; nothing in it was executed", AGAIN) from None
        return None
    except (ValueError, RecursionError):
        return None


def spec_in(facts: object, path: Path) -> NetworkSpec:
    """Returns the spec among a file's facts.

    Raises:
        UserError: there is none, or one that no network satisfies.
    """
    if not isinstance(facts, dict) or SPEC not in facts:
        raise UserError(f"{path}: does not say which network its weights are of", HINT)
    try:
        return NetworkSpec.from_json(facts[SPEC])
    except UserError as error:
        raise UserError(f"{path}: {error.what}", HINT) from None
