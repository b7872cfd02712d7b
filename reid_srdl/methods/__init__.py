"""The training strategies by name; a new one is a file and a row here.

Importing this loads no torch: a program imports its losses when it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reid_srdl.config import MethodOptions
from reid_srdl.methods.kd import KDOptions, kd
from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.methods.vanilla import VanillaOptions, vanilla


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


METHODS: dict[str, Method] = {
    "vanilla": Method(vanilla, VanillaOptions, "cross-entropy in one stage"),
    "srdl": Method(srdl, SRDLOptions, "Self-Referenced Deep Learning, the paper's Algorithm 1"),
    "kd": Method(kd, KDOptions, "knowledge distillation from a teacher network or a finished run"),
}

OPTIONS: dict[str, type[MethodOptions]] = {name: method.options for name, method in METHODS.items()}
