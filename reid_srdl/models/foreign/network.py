"""Makes the network that a foreign file describes, with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.models.build import build
from reid_srdl.models.foreign import libraries
from reid_srdl.models.foreign.checkpoint import read_state
from reid_srdl.models.foreign.codes import code_of
from reid_srdl.models.foreign.found import Code, Found, Told
from reid_srdl.models.foreign.loading import load
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec

_SIZE = (256, 128)  # of a person, where neither the user nor the code says another
_CLASSIFIER = ("classifier.weight", "classifier.bias")


@dataclass(frozen=True)
class Foreign:
    """A foreign network, read.

    Attributes:
        network: in evaluation mode, on the CPU.
        found: what the file holds.
        size: (height, width) of its input in pixels.
        classes: the names of what its logits stand for; empty where nobody knows.
        notes: what a reader should know, a line each.
    """

    network: Network
    found: Found
    size: tuple[int, int]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def read_foreign(
    path: Path,
    model: str,
    *,
    size: tuple[int | None, int | None] = (None, None),
    classes: tuple[str, ...] | None = None,
    told: Told | None = None,
) -> Foreign:
    """Reads a network that another code trained; nothing in the file is executed.

    Args:
        path: a state dictionary or a checkpoint.
        model: the network's name, as ``--model`` takes it.
        size: height and width of its input in pixels; None: its code's.
        classes: the names of its classes, in the classifier's order; None: nobody knows them.
        told: what its keys cannot show.

    Raises:
        UserError: a file that holds no plain weights, of a code that is not read, of another
            network, or whose keys leave something open that was not told.
    """
    state = read_state(path)
    code = code_of(state, path, model)
    found = _found(path, state, model, code, told or Told())
    own = found.size or _SIZE
    whole = (size[0] or own[0], size[1] or own[1])
    kept, known, notes = _with_classifier(found, classes)
    rows = len(kept["classifier.weight"]) if "classifier.weight" in kept else len(known) or 1
    network = _empty(NetworkSpec(model, rows, whole, changes=found.changes), drawn=code is None)
    load(network, {f"trunk.{key}": value for key, value in found.trunk.items()} | kept, path)
    if "classifier.weight" not in kept:  # what was drawn would only look like an answer
        for value in network.classifier.parameters():
            torch.nn.init.zeros_(value)
    network = network.eval().to(memory_format=torch.channels_last)  # as a run's is when it is read
    return Foreign(network, found, whole, known, (*found.notes, *notes))


def _empty(spec: NetworkSpec, *, drawn: bool) -> Network:
    """Returns a network whose weights all come from the file.

    Of the table's networks nothing is drawn; a library's may compute some buffers itself.
    """
    if drawn:
        return build(spec, seed=0)
    with torch.device("meta"):
        network = build(spec, seed=0)
    network = network.to_empty(device="cpu")
    for value in network.state_dict().values():
        value.zero_()
    return network


def _found(
    path: Path, state: Mapping[str, Tensor], model: str, code: Code | None, told: Told
) -> Found:
    own = () if code is None else code.told
    if strange := sorted(set(told.values) - set(own)):
        what = "it is read without" if code is None else f"{code.name} knows {', '.join(own)}"
        raise UserError(
            f"--told {strange[0]}: says nothing about {path}", f"leave it out: {what}", usage=True
        )
    if code is not None:
        return code.read(state, told)
    return libraries.read(state, build(NetworkSpec(model, 2), seed=0))


def _with_classifier(
    found: Found, classes: tuple[str, ...] | None
) -> tuple[dict[str, Tensor], tuple[str, ...], list[str]]:
    """Returns the tensors of the end, the classes that are known, and notes on both."""
    ends = dict(found.ends)
    weight = ends.get("classifier.weight")
    if weight is None:
        return ends, (), ["no classifier is read: its logits are zero and teach nothing"]
    if classes is None:
        return ends, (), [f"its {len(weight)} classes have no names: --classes FILE names them"]
    if len(classes) == len(weight):
        return ends, classes, []
    told = f"the classifier of {len(weight)} classes is left out: {len(classes)} were named"
    rest = {key: value for key, value in ends.items() if key not in _CLASSIFIER}
    return rest, (), [f"{told}; logits are zero and teach nothing"]
