"""What a training strategy is; rows of METHODS and files of one's own hold these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reid_srdl.config import MethodOptions


@dataclass(frozen=True)
class Method:
    """A training strategy.

    Attributes:
        program: ``program(trainer, epochs, options)`` returns models by name, the result first.
        options: its options' class.
        summary: one line for people.
    """

    program: Callable[[Any, int, Any], dict[str, Any]]
    options: type[MethodOptions]
    summary: str
