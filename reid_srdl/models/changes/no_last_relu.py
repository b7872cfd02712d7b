"""NoLastReLU: a DenseNet whose last maps may be negative. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class NoLastReLU:
    """The last norm's output is pooled as it is, without a ReLU (layumi's DenseNet)."""

    name: ClassVar[str] = "no_last_relu"
