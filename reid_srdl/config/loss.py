"""What the labels teach: the terms of the loss that every method adds to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field

from reid_srdl.config.section import Section, default_of

Weight = Annotated[float, Field(ge=0, le=10**6, description="of the term; 0: it is left out")]


class Term(Section):
    """A term of the loss of the labels, with a weight."""

    usual: ClassVar[float] = 1.0  # weight, as messages suggest it
    weight: Weight = 0.0

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields what nothing reads while the term is left out."""
        for key, field in type(self).model_fields.items():
            if not self.weight and getattr(self, key) != default_of(field):
                yield key, "nothing reads it while the term's weight is 0", ("weight", self.usual)


class TripletConfig(Term):
    """The batch-hard triplet loss (Hermans et al. 2017), on features before a neck."""

    margin: float | None = Field(
        0.3, ge=0, le=10**6, description="of the hinge; None: softplus, the soft margin"
    )


class CircleConfig(Term):
    """The circle loss (Sun et al. 2020), on features of length one."""

    margin: float = Field(0.25, ge=0, lt=1, description="m, by which each similarity is relaxed")
    gamma: float = Field(128.0, gt=0, le=10**4, description="the scale of similarities")


class CentreConfig(Term):
    """The centre loss (Wen et al. 2016), on features before a neck."""

    usual: ClassVar[float] = 5e-4
    lr: float = Field(0.5, gt=0, le=100, description="of the centres' own SGD, constant")


class LossConfig(Section):
    """The loss of the labels; by default the cross-entropy alone (SRDL paper, Eq 2)."""

    smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of each label that is spread evenly over all classes"
    )
    triplet: TripletConfig = Field(default_factory=TripletConfig)
    circle: CircleConfig = Field(default_factory=CircleConfig)
    centre: CentreConfig = Field(default_factory=CentreConfig)

    @property
    def pairs(self) -> tuple[str, ...]:
        """The terms that compare images of one identity."""
        terms = {"triplet": self.triplet, "circle": self.circle}
        return tuple(f"loss.{name}" for name, term in terms.items() if term.weight)
