"""Branches: a classifier after every stage. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Branches:
    """A branch after every stage but the last (Zhang et al. 2019, Be Your Own Teacher).

    They are called ``branch1``, ``branch2`` and so on, from shallow to deep; `models.branch` has
    their layers. The trunk keeps its keys and weights: the branches are drawn after it.
    """

    name: ClassVar[str] = "branches"
