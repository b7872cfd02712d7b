"""Which images come together in a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from reid_srdl.config.section import Section

_IMAGES = 2**16  # of a batch


class SamplerConfig(Section):
    """P identities (or classes) of K images each; shuffled images where neither is given."""

    identities: int | None = Field(
        None, ge=2, le=_IMAGES, description="P, the identities or classes of a batch"
    )
    images: int | None = Field(None, ge=1, le=_IMAGES, description="K, the images of each of them")

    @property
    def batch_size(self) -> int | None:
        """P K; None where images are shuffled."""
        if self.identities is None or self.images is None:
            return None
        return self.identities * self.images

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields one of the two without the other."""
        if self.identities is not None and self.images is None:
            yield "identities", "needs sampler.images beside it", ("images", 4)
        if self.images is not None and self.identities is None:
            yield "images", "needs sampler.identities beside it", ("identities", 16)
