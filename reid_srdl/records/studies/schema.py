"""What a study's YAML holds: cells, what was published of them, and what is compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from reid_srdl.config import Section
from reid_srdl.records.metrics import METRICS

ALL_METRICS = tuple(metric for metrics in METRICS.values() for metric in metrics)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Percent = Annotated[float, Field(ge=0, le=100)]
Published = dict[str, Percent]  # by metric, in percent, as papers print them


class Quoted(Section):
    """Published values that stand beside ours without a difference being taken.

    Attributes:
        trcost: in the paper's 10^16, which follows no single convention.
        final_ce: mean training cross-entropy of the last epoch, in nats.
    """

    trcost: float | None = Field(None, ge=0)
    final_ce: float | None = Field(None, ge=0)


class Cell(Section):
    """One cell of a table: an experiment, and what was published of it.

    Attributes:
        label: how the table calls it.
        config: keys of the experiment, laid over the study's.
        result: which of the run's results is the cell's: a network, or networks joined by ``+``
            for an ensemble, which is then evaluated too; None: the run's result.
        teacher: the cell whose finished run of the same seed is ``method.teacher``. The same seed,
            so that runs of different seeds share nothing and their spread is the whole one.
        published: percent, by metric.
        quoted: other published values.
    """

    label: str = Field(min_length=1)
    config: dict[str, Any] = Field(default_factory=dict)
    result: str | None = None
    teacher: str | None = None
    published: Published = Field(default_factory=dict)
    quoted: Quoted = Quoted()


class Contrast(Section):
    """A difference between two cells: what ``of`` gains over ``over``."""

    label: str = Field(min_length=1)
    of: str
    over: str


class Quotation(Section):
    """A row of a table that is only quoted: another's method, published elsewhere."""

    label: str = Field(min_length=1)
    published: Published = Field(min_length=1)


class WidthStudy(Section):
    """How wide the optimum of each finished run is: cross-entropy at theta + d v (Fig 4).

    Attributes:
        farthest: the largest distance d.
        steps: distances from 0 to there.
        directions: random directions v of each network.
        rehearsal_subset: images of each split that a rehearsal draws; a full study takes all.
    """

    farthest: float = Field(5.0, gt=0)
    steps: int = Field(21, ge=2)
    directions: int = Field(5, ge=1)
    rehearsal_subset: int = Field(1000, ge=1)

    @property
    def distances(self) -> tuple[float, ...]:
        """Distances d, the first 0."""
        return tuple(self.farthest * step / (self.steps - 1) for step in range(self.steps))


class Study(Section):
    """A grid of runs against published numbers.

    Attributes:
        name: its file's name without the ending.
        title: one line.
        seeds: of each cell's runs.
        config: keys under every cell's.
        cells: by name; the runs' folders are called after them.
        contrasts: differences between cells.
        quotations: rows that are only quoted.
        width: an analysis of each finished run; None: none.
        notes: what a reader should know.
    """

    name: Name
    title: str = Field(min_length=1)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 1, 2, 3, 4), min_length=1)
    config: dict[str, Any] = Field(default_factory=dict)
    cells: dict[Name, Cell] = Field(min_length=1)
    contrasts: tuple[Contrast, ...] = ()
    quotations: tuple[Quotation, ...] = ()
    width: WidthStudy | None = None
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := list(self._problems()):
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        if len(set(self.seeds)) < len(self.seeds):
            yield "seeds: one stands twice"
        for place, config in self._configs():
            train = config.get("train")
            if "train.seed" in config or (isinstance(train, Mapping) and "seed" in train):
                yield f"{place}.train.seed: a study's runs have its seeds (seeds: [...])"
        for place, published in self._published():
            for metric in published.keys() - set(ALL_METRICS):
                yield f"{place}.published: no such metric {metric!r} ({', '.join(ALL_METRICS)})"
        for index, contrast in enumerate(self.contrasts):
            for side in ("of", "over"):
                if (cell := getattr(contrast, side)) not in self.cells:
                    yield f"contrasts.{index}.{side}: no such cell {cell!r}"
        for name, cell in self.cells.items():
            if cell.teacher is not None and cell.teacher not in self.cells:
                yield f"cells.{name}.teacher: no such cell {cell.teacher!r}"
            elif cell.teacher is not None and name in self._teachers(name):
                yield f"cells.{name}.teacher: is taught by itself"

    def _configs(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "config", self.config
        yield from ((f"cells.{name}.config", cell.config) for name, cell in self.cells.items())

    def _published(self) -> Iterator[tuple[str, Published]]:
        yield from ((f"cells.{name}", cell.published) for name, cell in self.cells.items())
        for index, row in enumerate(self.quotations):
            yield f"quotations.{index}", row.published

    def _teachers(self, name: str) -> list[str]:
        """Returns the teacher of a cell, that one's teacher, and so on, up to a cycle's end."""
        found: list[str] = []
        teacher = self.cells[name].teacher
        while teacher is not None and teacher in self.cells and teacher not in found:
            found.append(teacher)
            teacher = self.cells[teacher].teacher
        return found
