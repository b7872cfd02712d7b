"""Networks of one or two stages that are small enough for tests, as rows of MODELS."""

from __future__ import annotations

from torch import nn

from reid_srdl.models import MODELS, ModelEntry
from reid_srdl.models.network import Network


def tiny(classes: int, width: int = 6) -> Network:
    """Returns a network of one convolution with ``width`` channels."""
    trunk = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
    return Network(trunk, nn.Linear(width, classes))


def wide(classes: int) -> Network:
    """Returns the same with 12 channels."""
    return tiny(classes, 12)


def staged(classes: int) -> Network:
    """Returns a network of three stages of 4, 6 and 8 channels."""
    trunk, inputs = nn.Sequential(), 3
    for stage, outputs in enumerate((4, 6, 8), start=1):
        stride = 1 if stage == 1 else 2
        block = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()
        )
        trunk.add_module(f"stage{stage}", block)
        inputs = outputs
    return Network(trunk, nn.Linear(inputs, classes))


def dropping(classes: int) -> Network:
    """Returns ``tiny`` with dropout, which draws from the global generator at each step."""
    network = tiny(classes)
    network.trunk.add_module("dropout", nn.Dropout(0.3))
    return network


def add_rows() -> None:
    """Makes the networks known by name: tiny, wide, staged, dropping."""
    for name in ("tiny", "wide", "staged", "dropping"):
        stages = ("stage1", "stage2", "stage3") if name == "staged" else ()
        MODELS[name] = ModelEntry(name, "for tests", module=__name__, stages=stages)


add_rows()
