"""BNNeck: a batch norm between what metric losses see and what is classified. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class BNNeck:
    """Batch norm without a shift, then a classifier without a bias (Luo et al. 2019, section 3.5).

    Metric losses see the features before the norm, retrieval and the classifier those after it.
    """

    name: ClassVar[str] = "bnneck"
