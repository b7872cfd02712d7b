"""Reads an ONNX file as a foreign network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
from reid_srdl.models.foreign.normalisations import IMAGENET
from reid_srdl.models.graphs.onnx_files import parameters_in, whole_content
from reid_srdl.models.graphs.running import OnnxGraph, open_onnx
from reid_srdl.models.graphs.writing import check_onnx
from reid_srdl.models.spec import NetworkSpec

# How a file takes pixels in 0..1.
NORMALISATIONS = {
    "imagenet": IMAGENET,
    "half": Normalised((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": Normalised((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
CHANNELS = ("rgb", "bgr")


@dataclass(frozen=True)
class Fed:
    """How an ONNX file takes images, and how its features are compared.

    Attributes:
        normalisation: a name in NORMALISATIONS.
        channels: a name in CHANNELS.
        evaluation: keys of the ``eval`` section.
        note: where that is known from; None: the user said so.
    """

    normalisation: str
    channels: str
    evaluation: Mapping[str, Any]
    note: str | None = None

    @classmethod
    def told(cls, path: Path, values: Mapping[str, str]) -> Fed:
        """Returns what the user says of a file.

        Raises:
            UserError: something is missing, or is no choice.
        """
        choices = {"normalisation": tuple(NORMALISATIONS), "channels": CHANNELS}
        if strange := sorted(values.keys() - choices.keys()):
            known = "an ONNX file is read by --normalisation and --channels"
            what = f"--told {strange[0]}: says nothing about {path}"
            raise UserError(what, f"leave it out: {known}", usage=True)
        for name, of in choices.items():
            if values.get(name) not in of:
                given = f" {values[name]}: not a choice" if name in values else ""
                what = f"--{name}{given}" if given else f"{path}: says nothing of its --{name}"
                raise UserError(what, f"give --{name} {' or '.join(of)}", usage=True)
        return cls(values["normalisation"], values["channels"], {})


def read_onnx(path: Path, fed: Fed, size: tuple[int | None, int | None]) -> Foreign:
    """Reads a network that an ONNX file holds.

    Args:
        path: the file.
        fed: how it takes images.
        size: height and width of its input in pixels, where the file takes any.

    Raises:
        UserError: a package is missing; the file cannot be run, or does not map images in colour
            to features; its size is not told, or another one is.
    """
    check_onnx(("onnx", "onnxruntime"))
    graph = open_onnx(path)
    if graph.channels != 3:
        raise UserError(
            f"{path}: takes grey images, and people are seen in colour",
            "give a file that takes images of three channels",
        )
    whole = _size(graph, path, size)
    length = graph.run(np.zeros((1, 3, *whole), np.float32)).shape[1]
    content = whole_content(path)
    known = OnnxFile(length, parameters_in(content), reverse=fed.channels == "bgr")
    changes = (known, NORMALISATIONS[fed.normalisation])
    network = build(NetworkSpec(ONNX, 1, whole, changes=changes), seed=0)
    state = network.state_dict()
    state["trunk.file"] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    network.load_state_dict(state)
    notes: tuple[str, ...] = ("it gives features and no logits: it teaches nothing",)
    if fed.note is not None:
        notes = (fed.note, *notes)
    found = Found(ONNX, {}, {}, changes, whole, fed.evaluation)
    return Foreign(network.eval(), found, whole, (), notes)


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
