"""CentredShortcut: where a small ResNet's shortcuts put new channels. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class CentredShortcut:
    """New channels of zeros stand on both sides of the old ones (akamaster), not behind them."""

    name: ClassVar[str] = "centred_shortcut"
