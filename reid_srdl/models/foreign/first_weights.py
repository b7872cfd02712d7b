"""First weights from a file of another code, for a network that is trained here.

The configuration says what the network is; where the file's is another one, the error says which
keys make them alike. The classifier is the run's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.models.changes import (
    IBN,
    BNNeck,
    Bottleneck,
    CentredShortcut,
    Change,
    GeM,
    LastStride,
    NoLastReLU,
    NonLocal,
    Stem,
)
from reid_srdl.models.foreign.checkpoint import read_state
from reid_srdl.models.foreign.codes import code_of
from reid_srdl.models.foreign.found import Code, Found, State, Told
from reid_srdl.models.foreign.loading import load
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec

# The key that asks for each change of a trunk, and what the key is without it.
_KEYS: dict[type[Change], tuple[str, str]] = {
    IBN: ("model.ibn=a", "model.ibn=none"),
    LastStride: ("model.last_stride=1", "model.last_stride=null"),
    Stem: ("model.stem", "model.stem=plain"),
    NonLocal: ("model.non_local=on", "model.non_local=off"),
    NoLastReLU: ("model.last_relu=off", "model.last_relu=on"),
    CentredShortcut: ("model.shortcut=centred", "model.shortcut=behind"),
    GeM: ("model.pooling=gem", "model.pooling=average"),
}
_ENDS: dict[str, type[Change]] = {"bottleneck": Bottleneck, "neck": BNNeck}


def foreign_code(path: Path, model: str) -> tuple[Code, State] | None:
    """Returns whose file of first weights it is, and its tensors; None: a library's.

    Raises:
        UserError: as `checkpoint.read_state` and `codes.code_of`.
    """
    state = read_state(path)
    code = code_of(state, path, model)
    return None if code is None else (code, state)


def found_for(spec: NetworkSpec, code: Code, state: State) -> Found:
    """Returns what a file holds; what nothing shows and nothing lets assume is as configured.

    Raises:
        UserError: the file is of a kind that is not read.
    """
    asked = set(spec.changes)
    told = {
        "stride": "1" if LastStride() in asked else "2",
        "pool": "ceil" if Stem("ceil") in asked else "padded",
        "circle": "no",
        "p": "3",
        "recipe": "agw",  # whose classifier is told as left out, as that of SBS would be
    }
    return code.read(state, Told({key: told[key] for key in code.told}, where_needed=True))


def fill(network: Network, path: Path, code: Code, state: State) -> None:
    """Loads a foreign trunk, and what stands behind it where the network has the same.

    Args:
        network: as it is configured, all of its changes done.
        path: the file, for messages.
        code, state: as `foreign_code` gives them.

    Raises:
        UserError: the file's network is another one; the keys that make them alike are named.
    """
    found = found_for(network.spec, code, state)
    ours, theirs = ({type(c): c for c in cs} for cs in (network.spec.changes, found.changes))
    wrong = [kind for kind in _KEYS if ours.get(kind) != theirs.get(kind)]
    if wrong:
        keys = " ".join(f"--set {_key(kind, theirs.get(kind))}" for kind in wrong)
        raise UserError(
            f"{path}: the network of {code.name} is not {network.spec.name} as it is configured",
            f"configure it alike: {keys}",
            usage=True,
        )
    given = {f"trunk.{key}": value for key, value in found.trunk.items()}
    for key, value in found.ends.items():
        part = key.partition(".")[0]
        if part == "pooling" or (part in _ENDS and _same(_ENDS[part], ours, theirs)):
            given[key] = value
    load(network, given, path, ends=False)


def left_out(spec: NetworkSpec, found: Found) -> Iterator[str]:
    """Yields a line for each part of a file that a network trained here does not begin with."""
    ours, theirs = ({type(c): c for c in cs} for cs in (spec.changes, found.changes))
    for part in sorted({key.partition(".")[0] for key in found.ends} - {"pooling", "classifier"}):
        if not _same(_ENDS[part], ours, theirs):
            yield f"model.weights: {found.code}'s {part} is left out: the network has another end"
    classifier = found.ends.get("classifier.weight")
    if classifier is not None:
        told = f"its classifier of {len(classifier)} classes"
        yield f"model.weights: {told} is left out: the run draws its own"


def _same(kind: type[Change], *sides: dict[type[Change], Change]) -> bool:
    return all(kind in side and side[kind] == sides[0][kind] for side in sides)


def _key(kind: type[Change], theirs: Change | None) -> str:
    """Returns the assignment that gives a network a change, or takes it away."""
    if isinstance(theirs, Stem):
        return f"model.stem={theirs.kind}"
    return _KEYS[kind][theirs is None]
