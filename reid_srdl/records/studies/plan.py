"""From a study to its runs: cells that need the same run share it, teachers come first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reid_srdl.config import AnyConfig, fingerprint, merge, place
from reid_srdl.data import find_entry
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.records.metrics import METRICS
from reid_srdl.records.studies.schema import Cell, Study

MACHINE = (
    "train.precision",
    "train.compile",
)  # what suits the machine; a run that goes on keeps it
# What does not set two runs of a study apart, either: the seed stands beside the key, and an
# ensemble is made of finished networks.
_NOT_IN_KEY = ("train.seed", "eval.ensembles", *MACHINE)
_OTHER_EPOCHS = ("teacher_epochs", "source_epochs")  # options: of networks trained beforehand
_TEACHER = "./the-run-of-a-cell"  # a folder that is known once the teacher is trained

Configure = Callable[[Mapping[str, Any]], AnyConfig]


class Rehearsed(Protocol):
    """What a dry run of a method's program shows.

    Attributes:
        networks: the names of the networks that it makes.
        ensembles: those of the ensembles that are judged.
        least_epochs: the fewest epochs that it runs with.
    """

    @property
    def networks(self) -> tuple[str, ...]: ...

    @property
    def ensembles(self) -> tuple[str, ...]: ...

    @property
    def least_epochs(self) -> int: ...


Rehearse = Callable[[AnyConfig], Rehearsed]


@dataclass(frozen=True)
class CellPlan:
    """A cell with its experiment.

    Attributes:
        name: its name in the study.
        cell: as the study defines it.
        config: the experiment, at the plan's scale, with the study's first seed.
        key: equal for cells that need the same runs.
        metrics: that its task has.
    """

    name: str
    cell: Cell
    config: AnyConfig
    key: str
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class RunPlan:
    """One run of a study.

    Attributes:
        name: ``CELL-seedN`` of the first cell that needs it; its folder is called so.
        cells: all cells that need it; none where it is only somebody's teacher.
        key, seed: what a finished run must have to be this one.
        config: the whole configuration but for places, and the folder of a teacher.
        results: that its cells show, by name; None is the run's own.
        teacher: the name of the run that must be finished before.
    """

    name: str
    cells: tuple[str, ...]
    key: str
    seed: int
    config: AnyConfig
    results: tuple[str | None, ...]
    teacher: str | None


@dataclass(frozen=True)
class Plan:
    """A study's chosen cells and all their runs, teachers before their students.

    Attributes:
        scale: of the epochs; below 1 it is a rehearsal.
        cells: the chosen ones, by name.
        every: all cells of the study, by name.
    """

    study: Study
    scale: float
    seeds: tuple[int, ...]
    cells: dict[str, CellPlan]
    runs: tuple[RunPlan, ...]
    every: dict[str, CellPlan]

    @property
    def folder_name(self) -> str:
        """The study's folder: rehearsals never mix with full runs."""
        return self.study.name if self.scale == 1 else f"{self.study.name}-scale{self.scale:g}"

    def run_of(self, cell: str, seed: int) -> RunPlan:
        """Returns the run that a cell shows for a seed."""
        return next(run for run in self.runs if cell in run.cells and run.seed == seed)


def run_key(config: AnyConfig, *, taught_by: str | None = None) -> str:
    """Returns what two configurations must share to be the same run but for the seed.

    Args:
        config: any configuration, also one read back from a record.
        taught_by: says that ``method.teacher`` is a folder, and stands for it.
    """
    if taught_by is not None:
        config = with_teacher(config, taught_by)
    return fingerprint(config, without=_NOT_IN_KEY)


def with_teacher(config: AnyConfig, teacher: str | Path) -> AnyConfig:
    """Returns a configuration with another ``method.teacher``."""
    method = config.method.model_copy(update={"teacher": str(teacher)})
    return config.model_copy(update={"method": method})


def plan_study(
    study: Study,
    configure: Configure,
    rehearse: Rehearse,
    *,
    scale: float = 1.0,
    seeds: Sequence[int] | None = None,
    cells: Sequence[str] | None = None,
) -> Plan:
    """Resolves a study's cells into configurations and lists the runs that they need.

    Args:
        study: the study.
        configure: turns a tree of keys into a configuration, as ``reid-srdl train`` would.
        rehearse: runs a configuration's program dry.
        scale: shrinks every cell's epochs, at least to what its method needs.
        seeds: instead of the study's.
        cells: only these.

    Returns:
        The plan. Runs of one seed stand together, so that differences show early.

    Raises:
        UserError: an unknown cell, or experiments that are not valid; all are named.
    """
    if unknown := [name for name in cells or () if name not in study.cells]:
        hints = [did_you_mean(name, study.cells) for name in unknown]
        named = ", ".join(repr(name) for name in unknown)
        raise UserError(
            f"{study.name}: no such cell: {named}", "; ".join(dict.fromkeys(hints)), usage=True
        )
    planned = _cell_plans(study, configure, rehearse, scale)
    chosen = {name: planned[name] for name in planned if cells is None or name in cells}
    wanted = tuple(dict.fromkeys(seeds if seeds is not None else study.seeds))
    runs = tuple(run for seed in wanted for run in _runs(chosen, planned, seed))
    return Plan(study, scale, wanted, chosen, runs, planned)


def _cell_plans(
    study: Study, configure: Configure, rehearse: Rehearse, scale: float
) -> dict[str, CellPlan]:
    planned: dict[str, CellPlan] = {}
    problems, hints = [], []
    for name in _teachers_first(study.cells):
        cell = study.cells[name]
        try:
            config = scaled(configure(_tree(study, cell)), scale, rehearse)
            rehearsed = rehearse(config)
            networks = (*rehearsed.networks, *rehearsed.ensembles)
        except UserError as error:
            problems.append(f"cells.{name}: {error.what}")
            hints.append(error.hint)
            continue
        metrics = METRICS[find_entry(config.data.name).task]
        problems += [
            f"cells.{name}: {text}" for text in _misfits(cell, config.data.name, networks, metrics)
        ]
        taught_by = None
        if cell.teacher is not None and cell.teacher in planned:
            taught_by = f"{cell.teacher}:{planned[cell.teacher].key}"
        planned[name] = CellPlan(name, cell, config, run_key(config, taught_by=taught_by), metrics)
    if problems:
        hint = "; ".join(dict.fromkeys(hints)) or "mend the study's file"
        raise UserError(f"{study.name}: {'; '.join(problems)}", hint, usage=True)
    return {name: planned[name] for name in study.cells}


def _tree(study: Study, cell: Cell) -> dict[str, Any]:
    tree = merge(study.config, cell.config)
    place(tree, "train.seed", study.seeds[0])
    if cell.result is not None and "+" in cell.result:
        ensembles = (tree.get("eval") or {}).get("ensembles") or ()
        place(tree, "eval.ensembles", list(dict.fromkeys((*ensembles, cell.result))))
    if cell.teacher is not None:
        place(tree, "method.teacher", _TEACHER)
    return tree


def scaled(config: AnyConfig, scale: float, rehearse: Rehearse) -> AnyConfig:
    """Returns a configuration with ``scale`` times its epochs, at least what its method needs."""
    if scale == 1:
        return config
    epochs = max(rehearse(config).least_epochs, round(config.train.epochs * scale))
    train = config.train.model_copy(update={"epochs": epochs})
    others = {key: getattr(config.method, key, None) for key in _OTHER_EPOCHS}
    fewer = {key: max(1, round(own * scale)) for key, own in others.items() if own is not None}
    method = config.method.model_copy(update=fewer)
    return config.model_copy(update={"train": train, "method": method})


def _misfits(
    cell: Cell, dataset: str, networks: tuple[str, ...], metrics: tuple[str, ...]
) -> Iterator[str]:
    for metric in cell.published.keys() - set(metrics):
        yield f"published.{metric}: {dataset} has {', '.join(metrics)}"
    if cell.result is not None and cell.result not in networks:
        yield f"result: the run has no {cell.result!r}, it has {', '.join(networks)}"


def _teachers_first(cells: Mapping[str, Cell]) -> list[str]:
    order: list[str] = []

    def visit(name: str) -> None:
        teacher = cells[name].teacher
        if teacher is not None:
            visit(teacher)
        if name not in order:
            order.append(name)

    for name in cells:
        visit(name)
    return order


def _runs(
    chosen: Mapping[str, CellPlan], planned: Mapping[str, CellPlan], seed: int
) -> Iterator[RunPlan]:
    """Yields the runs of one seed, teachers first.

    What a run is called and which ensembles it judges does not depend on the cells chosen.
    """
    by_key: dict[str, list[CellPlan]] = {}
    for name in _teachers_first({name: plan.cell for name, plan in planned.items()}):
        by_key.setdefault(planned[name].key, []).append(planned[name])
    names = {key: f"{cells[0].name}-seed{seed}" for key, cells in by_key.items()}
    needed = _needed(chosen, planned)
    for key, cells in by_key.items():
        if needed.isdisjoint(cell.name for cell in cells):
            continue
        first, teacher = cells[0], cells[0].cell.teacher
        yield RunPlan(
            name=names[key],
            cells=tuple(cell.name for cell in cells if cell.name in chosen),
            key=key,
            seed=seed,
            config=_seeded(first.config, seed, _ensembles(cells)),
            results=tuple({cell.cell.result for cell in cells if cell.name in chosen}),
            teacher=None if teacher is None else names[planned[teacher].key],
        )


def _needed(chosen: Iterable[str], planned: Mapping[str, CellPlan]) -> set[str]:
    needed: set[str] = set()
    for name in chosen:
        cell: str | None = name
        while cell is not None:
            needed.add(cell)
            cell = planned[cell].cell.teacher
    return needed


def _ensembles(cells: Iterable[CellPlan]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for cell in cells for name in cell.config.eval.ensembles))


def _seeded(config: AnyConfig, seed: int, ensembles: tuple[str, ...]) -> AnyConfig:
    train = config.train.model_copy(update={"seed": seed})
    judged = config.eval.model_copy(update={"ensembles": ensembles})
    return config.model_copy(update={"train": train, "eval": judged})
