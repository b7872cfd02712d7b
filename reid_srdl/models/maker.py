"""Makes the networks of one run: the configured one, and others by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reid_srdl.models.build import build_network, file_digest
from reid_srdl.models.network import Network


@dataclass(frozen=True)
class NetworkMaker:
    """What networks of a run share.

    Attributes:
        name: the configured network's name.
        classes: C, the classifier's outputs.
        imagenet_weights: file for its trunk, see `build_network`; other networks start at random.
        size: (height, width) of their input in pixels, see `build_network`.
    """

    name: str
    classes: int
    imagenet_weights: Path | None = None
    size: tuple[int, int] | None = None

    def make(self, seed: int, name: str | None = None) -> Network:
        """Returns a newly initialised network; None is the configured one.

        Raises:
            UserError: as `build_network`.
        """
        weights = self.imagenet_weights if name is None else None
        return build_network(
            name or self.name,
            self.classes,
            seed=seed,
            imagenet_weights=weights,
            size=self.size,
        )

    def key(self, name: str | None = None) -> str:
        """Names what ``make`` makes, apart from the seed."""
        weights = self.imagenet_weights if name is None else None
        return f"{name or self.name}:{self.classes}:{file_digest(weights) if weights else 'random'}"
