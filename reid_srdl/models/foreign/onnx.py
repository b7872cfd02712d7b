"""Reads an ONNX file as a foreign network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reid_srdl.errors import UserError
from reid_srdl.models import ONNX
from reid_srdl.models.build import build
from reid_srdl.models.changes import Normalised, OnnxFile
from reid_srdl.models.foreign.found import Found
from reid_srdl.models.foreign.network import Foreign
from reid_srdl.models.graphs.onnx_files import parameters_in, whole_content
from reid_srdl.models.graphs.running import OnnxGraph, open_onnx
from reid_srdl.models.graphs.writing import check_onnx
from reid_srdl.models.spec import NetworkSpec


@dataclass(frozen=True)
class Fed:
    """How an ONNX file takes images, what it gives, and how its features are compared.

    Attributes:
        normalisation: how it takes pixels in 0..1.
        evaluation: keys of the ``eval`` section.
        reverse: it takes blue, green, red.
        classes: what its logits stand for; None: it gives features.
        note: where that is known from; None: the user said so.
    """

    normalisation: Normalised
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    reverse: bool = False
    classes: tuple[str, ...] | None = None
    note: str | None = None


def read_onnx(
    path: Path, fed: Callable[[int], Fed], size: tuple[int | None, int | None]
) -> Foreign:
    """Reads a network that an ONNX file holds.

    Args:
        path: the file.
        fed: tells how it takes images of so many channels.
        size: height and width of its input in pixels, where the file takes any.

    Raises:
        UserError: a package is missing; the file cannot be run, or does not map images to features
            or to a logit for each class; its size is not told, or another one is.
    """
    check_onnx(("onnx", "onnxruntime"))
    graph = open_onnx(path)
    told = fed(graph.channels)
    whole = _size(graph, path, size)
    length = graph.run(np.zeros((1, graph.channels, *whole), np.float32)).shape[1]
    logits = told.classes is not None
    classes = told.classes or ()
    if logits and len(classes) != length:
        raise UserError(
            f"{path}: gives {length} numbers for an image, and {len(classes)} classes are named",
            "name one for each number, in their order; of a file of features name none",
            usage=True,
        )
    content = whole_content(path)
    known = OnnxFile(length, parameters_in(content), told.reverse, logits)
    changes = (known, told.normalisation)
    rows = length if logits else 1
    spec = NetworkSpec(ONNX, rows, whole, channels=graph.channels, changes=changes)
    network = build(spec, seed=0)
    state = network.state_dict()
    state["trunk.file"] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    network.load_state_dict(state)
    notes = [] if told.note is None else [told.note]
    if graph.channels == 1:
        notes.append("it takes grey images: of colours it sees the luma")
    notes.append("it gives logits alone" if logits else "it gives features and no logits")
    found = Found(ONNX, {}, {}, changes, whole, told.evaluation)
    return Foreign(network.eval(), found, whole, classes, tuple(notes))


def _size(graph: OnnxGraph, path: Path, asked: tuple[int | None, int | None]) -> tuple[int, int]:
    """Returns the file's own input size, else the one that is asked for."""
    height, width = asked
    if graph.size is None:
        if height is None or width is None:
            raise UserError(
                f"{path}: takes images of any size", "give --height and --width", usage=True
            )
        return height, width
    own = graph.size
    if (height or own[0], width or own[1]) != own:
        raise UserError(
            f"{path}: takes images of {own[0]} x {own[1]} pixels alone",
            "leave --height and --width out",
            usage=True,
        )
    return own
