"""A study's numbers beside the published ones. A function of plan and finished runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from reid_srdl.records.analyses import Width, WidthSettings, read_width
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.intervals import LEAST_SEEDS, Estimate, estimate, paired_p
from reid_srdl.records.metrics import score_of
from reid_srdl.records.run import RunRecord
from reid_srdl.records.studies.match import FoundRun
from reid_srdl.records.studies.plan import CellPlan, Plan
from reid_srdl.records.studies.schema import Contrast, Quotation, WidthStudy
from reid_srdl.records.studies.verdicts import Verdict, verdicts


@dataclass(frozen=True)
class Score:
    """One metric of a cell; fractions from 0 to 1.

    Attributes:
        published: the paper's; None where it has none.
        measured: ours over the seeds; None where no run is finished.
        difference: measured mean - published; None of a rehearsal, which does not compare.
        dataset: the set that it was measured on, where the cell is judged on several; what was
            published stands beside the first.
    """

    metric: str
    published: float | None
    measured: Estimate | None
    difference: float | None
    dataset: str | None = None


@dataclass(frozen=True)
class CellResult:
    """One cell: published, measured, and what it cost.

    Attributes:
        plan: the cell.
        seeds: of the finished runs, in the study's order.
        runs: names of their folders.
        scores: a row for each metric that is published or measured.
        parameters: of the network; None where no run is finished.
        trcost: ours, 10^16, mean over the runs, a teacher's training included.
        seconds: of training, mean over the runs.
        final_ce: training cross-entropy of the last epoch, nats, mean over the runs; None where
            the last loss has no such term.
    """

    plan: CellPlan
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    scores: tuple[Score, ...]
    parameters: int | None
    trcost: float | None
    seconds: float | None
    final_ce: float | None


@dataclass(frozen=True)
class ContrastScore:
    """A contrast in one metric; fractions.

    Attributes:
        published: the difference of the published values; None where one is missing.
        measured: the mean of the differences, run by run of one seed; None without common seeds.
        p: of the paired t-test; None with too few seeds, or where it is not possible.
        dataset: as of a `Score`.
    """

    metric: str
    published: float | None
    measured: Estimate | None
    p: float | None
    dataset: str | None = None


@dataclass(frozen=True)
class ContrastResult:
    """A difference between two cells, paired by the seeds that both have."""

    contrast: Contrast
    seeds: tuple[int, ...]
    scores: tuple[ContrastScore, ...]


@dataclass(frozen=True)
class StudyResults:
    """All that a study's table shows.

    Attributes:
        confidence: of the intervals.
        runs: the finished run of each planned one that has one.
        widths: how wide their optima are, where the study asks and it was measured so.
        notes: what a reader should know before believing the numbers.
        verdicts: each method against vanilla of the same setting.
    """

    plan: Plan
    confidence: float
    cells: tuple[CellResult, ...]
    contrasts: tuple[ContrastResult, ...]
    quotations: tuple[Quotation, ...]
    runs: Mapping[str, FoundRun]
    widths: Mapping[str, Width]
    notes: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the runs that are not finished."""
        return tuple(run.name for run in self.plan.runs if run.name not in self.runs)


def gather(plan: Plan, found: Mapping[str, FoundRun], confidence: float = 0.95) -> StudyResults:
    """Puts the finished runs of a plan beside what was published."""
    runs = {name: _runs_of(plan, name, found) for name in plan.cells}
    cells = tuple(_cell(cell, runs[cell.name], plan, confidence) for cell in plan.cells.values())
    contrasts = tuple(
        _contrast(contrast, plan, runs, confidence)
        for contrast in plan.study.contrasts
        if contrast.of in plan.cells and contrast.over in plan.cells
    )
    quoted = plan.study.quotations if len(plan.cells) == len(plan.study.cells) else ()
    widths = dict(_widths(plan, found))
    notes = (*plan.study.notes, *_notes(plan, cells, contrasts, found, widths))
    shown = verdicts(
        plan,
        lambda cell, metric: _values(cell, runs[cell.name], metric, _sets(runs[cell.name])[0]),
        lambda cell: {seed: run.record.true_work.total for seed, run in runs[cell.name].items()},
        confidence,
    )
    firsts = {name for cell in runs.values() if (name := _sets(cell)[0]) is not None}
    if shown and firsts:
        notes += (f"verdicts of runs on joint sets: by {', '.join(sorted(firsts))}",)
    return StudyResults(plan, confidence, cells, contrasts, quoted, found, widths, notes, shown)


def _widths(plan: Plan, found: Mapping[str, FoundRun]) -> Iterator[tuple[str, Width]]:
    """Yields the width of each finished run that was measured at the study's distances."""
    wanted = plan.study.width
    for run in plan.runs:
        if wanted is None or run.name not in found or not run.cells:
            continue
        width = read_width(RunFolder(found[run.name].folder).analysis("width"))
        if width is not None and _same_distances(width.settings, wanted):
            yield run.name, width


def _same_distances(settings: WidthSettings, wanted: WidthStudy) -> bool:
    one, other = settings.distances, wanted.distances
    return len(one) == len(other) and np.allclose(one, other) and not settings.relative


def _runs_of(plan: Plan, cell: str, found: Mapping[str, FoundRun]) -> dict[int, FoundRun]:
    """Returns the finished runs of a cell, by seed."""
    planned = {seed: plan.run_of(cell, seed).name for seed in plan.seeds}
    return {seed: found[name] for seed, name in planned.items() if name in found}


def _cell(
    cell: CellPlan, runs: Mapping[int, FoundRun], plan: Plan, confidence: float
) -> CellResult:
    records = [run.record for run in runs.values()]
    return CellResult(
        plan=cell,
        seeds=tuple(runs),
        runs=tuple(str(run.folder) for run in runs.values()),
        scores=tuple(_scores(cell, runs, plan, confidence)),
        parameters=records[0].parameters if records else None,
        trcost=_mean([record.cost.trcost for record in records]),
        seconds=_mean([record.cost.seconds for record in records]),
        final_ce=_mean([ce for record in records for ce in _final_ce(record)]),
    )


def _final_ce(record: RunRecord) -> list[float]:
    """Returns the cross-entropy of the last epoch of the last fit, if its loss has that term."""
    fits = [phase for phase in record.phases if phase.kind == "fit"]
    loss = fits[-1].network.loss if fits else {}
    return [loss["ce"]] if "ce" in loss else []


def _scores(
    cell: CellPlan, runs: Mapping[int, FoundRun], plan: Plan, confidence: float
) -> Iterator[Score]:
    first, *others = _sets(runs)
    for metric, dataset in product(cell.metrics, (first, *others)):
        published = _fraction(cell.cell.published.get(metric)) if dataset == first else None
        values = list(_values(cell, runs, metric, dataset).values())
        measured = estimate(values, confidence) if values else None
        if published is None and measured is None:
            continue
        difference = None
        if published is not None and measured is not None and plan.scale == 1:
            difference = measured.mean - published
        yield Score(metric, published, measured, difference, dataset)


def _sets(runs: Mapping[int, FoundRun]) -> tuple[str | None, ...]:
    """Returns the sets that a cell's runs are judged on; one without a name where it is one."""
    return tuple(dict.fromkeys(name for run in runs.values() for name in run.sets)) or (None,)


def _values(
    plan: CellPlan, runs: Mapping[int, FoundRun], metric: str, dataset: str | None
) -> dict[int, float]:
    name = plan.cell.result
    found = {seed: score_of(run.result(name, dataset), metric) for seed, run in runs.items()}
    return {seed: score for seed, score in found.items() if score is not None}


def _contrast(
    contrast: Contrast, plan: Plan, runs: Mapping[str, Mapping[int, FoundRun]], confidence: float
) -> ContrastResult:
    of, over = plan.cells[contrast.of], plan.cells[contrast.over]
    scores, common = [], [seed for seed in runs[of.name] if seed in runs[over.name]]
    sets = [name for name in _sets(runs[of.name]) if name in _sets(runs[over.name])]
    metrics = [metric for metric in of.metrics if metric in over.metrics]
    for metric, dataset in product(metrics, sets or [None]):
        ours, theirs = (_values(cell, runs[cell.name], metric, dataset) for cell in (of, over))
        pairs = [(ours[seed], theirs[seed]) for seed in common if seed in ours and seed in theirs]
        published = _gain(of, over, metric) if dataset in (None, sets[0]) else None
        measured = estimate([a - b for a, b in pairs], confidence) if pairs else None
        if published is None and measured is None:
            continue
        enough = len(pairs) >= LEAST_SEEDS
        p = paired_p([a for a, _ in pairs], [b for _, b in pairs]) if enough else None
        scores.append(ContrastScore(metric, published, measured, p, dataset))
    return ContrastResult(contrast, tuple(common), tuple(scores))


def _gain(of: CellPlan, over: CellPlan, metric: str) -> float | None:
    ours, theirs = of.cell.published.get(metric), over.cell.published.get(metric)
    return None if ours is None or theirs is None else (ours - theirs) / 100


def _notes(
    plan: Plan,
    cells: Sequence[CellResult],
    contrasts: Sequence[ContrastResult],
    found: Mapping[str, FoundRun],
    widths: Mapping[str, Width],
) -> Iterator[str]:
    if unrun := [cell.plan.name for cell in cells if not cell.seeds]:
        yield f"not run: {', '.join(unrun)}"
    for cell in cells:
        if cell.seeds and (lacking := [seed for seed in plan.seeds if seed not in cell.seeds]):
            share = f"{len(cell.seeds)} of {len(plan.seeds)} seeds"
            yield f"{cell.plan.name}: {share}; not run: {', '.join(map(str, lacking))}"
    if any(len(cell.seeds) == 1 for cell in cells):
        yield "one seed shows no spread: no interval and no test for such cells"
    for result in contrasts:
        sides = {result.contrast.of, result.contrast.over}
        finished = {seed for cell in cells if cell.plan.name in sides for seed in cell.seeds}
        if finished and set(result.seeds) != finished:
            seeds = ", ".join(map(str, result.seeds)) or "none"
            yield f"{result.contrast.label}: paired on the seeds that both sides have: {seeds}"
    if plan.study.width is not None:
        names = [run.name for run in plan.runs if run.cells and run.name in found]
        if unmeasured := [name for name in names if name not in widths]:
            yield f"width not measured: {', '.join(unmeasured)}"
    for run in found.values():
        if run.record.marks:
            yield f"{run.record.name}: {', '.join(run.record.marks)}"
    yield from _places(found)


def _places(found: Mapping[str, FoundRun]) -> Iterator[str]:
    """Tells where the runs ran; runs of several precisions or devices are named."""
    records = [run.record for run in found.values()]
    where = sorted({f"{record.device.name}, {record.device.precision}" for record in records})
    if where:
        yield f"trained on: {'; '.join(where)}"


def _fraction(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
