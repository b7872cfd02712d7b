"""What a study shows: methods against vanilla, and contrasts, corrected for their number.

Differences are paired by seed and tested by Student's t; p-values are corrected over all
comparisons of the study in one metric (Holm, A Simple Sequentially Rejective Multiple Test
Procedure, 1979), those that are not run or not shown included: nothing becomes significant by
looking at fewer methods. Beside that stands Dunnett's test of several groups against one control
(Dunnett 1955), which does not pair. Ranks are not tested: with 16 methods and 5 seeds no rank test
can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from reid_srdl.records.dunnett import dunnett_p
from reid_srdl.records.intervals import LEAST_SEEDS, NO_SPREAD, Estimate, estimate, paired_p
from reid_srdl.records.studies.plan import CellPlan, Plan
from reid_srdl.records.studies.schema import Contrast

BASELINE = "vanilla"
JUDGED = ("top1", "single_rank1", "single_mAP")  # the metrics that verdicts are about

Holds = Literal["better", "worse", "not shown"]
Values = Callable[[CellPlan, str], Mapping[int, float]]
Works = Callable[[CellPlan], Mapping[int, int]]


@dataclass(frozen=True)
class Verdict:
    """One method against vanilla of the same setting, or a contrast, in one metric; fractions.

    Attributes:
        of, over: names of the two cells.
        label, over_label: how tables call them.
        contrast: the label of a contrast of the study; None of a method against vanilla.
        metric: the metric.
        seeds: that both cells have.
        difference: of - over, run by run of one seed.
        work: of a run of ``of`` over that of the other's run of the same seed, finished teachers
            included, mean over the seeds; None where the other's is not known.
        effect: the mean difference over the standard deviation of ``over``; None with too few
            seeds, or where its runs are equal.
        p: of the paired t-test, two-sided; None with too few seeds, or where it is not possible.
        compared: how many comparisons the study has in this metric.
        p_holm: corrected over all of them; None likewise.
        p_dunnett: of Dunnett's test over the methods of this vanilla; None likewise, and of a
            contrast.
        holds: what is shown at the intervals' confidence; None where nothing is judged.
    """

    of: str
    over: str
    label: str
    over_label: str
    contrast: str | None
    metric: str
    seeds: tuple[int, ...]
    difference: Estimate
    work: float | None
    effect: float | None
    p: float | None
    compared: int
    p_holm: float | None = None
    p_dunnett: float | None = None
    holds: Holds | None = None


def holm(p: Sequence[float], m: int | None = None) -> list[float]:
    """Returns Holm's adjusted p-values: max over j <= i of min(1, (m - j + 1) p_(j)), p_(j) sorted.

    Args:
        p: of the tests.
        m: of how many comparisons they are; those without a test count as p = 1. None: of these.

    >>> [round(one, 3) for one in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted, largest, m = [0.0] * len(p), 0.0, len(p) if m is None else m
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (m - rank) * p[place]))
        adjusted[place] = largest
    return adjusted


def verdicts(
    plan: Plan, values: Values, works: Works, confidence: float = 0.95
) -> tuple[Verdict, ...]:
    """Compares each chosen method of a study with vanilla of its setting, then other contrasts.

    Args:
        plan: the study's cells and contrasts.
        values: the scores of a cell in a metric, by seed.
        works: multiply-accumulates that each run of a cell took, by seed.
        confidence: of the intervals; 1 - confidence is the level of the tests.
    """
    contrasts = plan.study.contrasts
    pairs, every = (list(_pairs(cells, contrasts)) for cells in (plan.cells, plan.every))
    found: list[Verdict] = []
    for metric in JUDGED:
        number = sum(metric in pair.of.metrics for pair in every)
        asked = _Asked(metric, number, values, works, confidence)
        compared = [one for pair in pairs if (one := _one(pair, asked))]
        found += _judged(_with_dunnett(compared, plan, asked), 1 - confidence)
    return tuple(found)


@dataclass(frozen=True)
class _Pair:
    """Two cells, and the label of the contrast that they are; None: a method and its vanilla."""

    of: CellPlan
    over: CellPlan
    contrast: str | None


@dataclass(frozen=True)
class _Asked:
    """What is compared: a metric, in so many comparisons of the study."""

    metric: str
    compared: int
    values: Values
    works: Works
    confidence: float


def setting_of(cell: CellPlan) -> dict[str, Any]:
    """Returns what a method and its vanilla share: all of the configuration but the method."""
    tree = cell.config.model_dump(mode="json", exclude={"method": True, "run": True})
    tree["eval"].pop("ensembles")
    return tree


def _pairs(cells: Mapping[str, CellPlan], contrasts: Sequence[Contrast]) -> Iterator[_Pair]:
    """Yields each cell with the first cell of its setting that is one vanilla network.

    Then the contrasts that are none of these pairs, as far as their cells are of one data set.
    """
    plain, seen = [cell for cell in cells.values() if _is_plain(cell)], set()
    for cell in cells.values():
        alike = [one for one in plain if setting_of(one) == setting_of(cell)]
        if alike and cell.name != alike[0].name:
            seen.add(frozenset((cell.name, alike[0].name)))
            yield _Pair(cell, alike[0], None)
    for contrast in contrasts:
        of, over = cells.get(contrast.of), cells.get(contrast.over)
        names = frozenset((contrast.of, contrast.over))
        if of is None or over is None or of.config.data.name != over.config.data.name:
            continue
        if len(names) == 2 and names not in seen:
            seen.add(names)
            yield _Pair(of, over, contrast.label)


def _is_plain(cell: CellPlan) -> bool:
    method = cell.config.method
    return method.name == BASELINE and getattr(method, "models", 1) == 1 and not cell.cell.result


def _one(pair: _Pair, asked: _Asked) -> Verdict | None:
    """Returns a comparison that is not judged yet; None where no seed is common."""
    of, over = pair.of, pair.over
    if asked.metric not in of.metrics:
        return None
    ours, theirs = (asked.values(cell, asked.metric) for cell in (of, over))
    seeds = tuple(seed for seed in ours if seed in theirs)
    if not seeds:
        return None
    a, b = [ours[seed] for seed in seeds], [theirs[seed] for seed in seeds]
    difference = estimate([x - y for x, y in zip(a, b, strict=True)], asked.confidence)
    sd, enough = estimate(b).sd or 0.0, len(seeds) >= LEAST_SEEDS
    works = [(asked.works(of)[seed], asked.works(over)[seed]) for seed in seeds]
    return Verdict(
        of=of.name,
        over=over.name,
        label=of.cell.label,
        over_label=over.cell.label,
        contrast=pair.contrast,
        metric=asked.metric,
        seeds=seeds,
        difference=difference,
        work=sum(x / y for x, y in works) / len(works) if all(y for _, y in works) else None,
        effect=difference.mean / sd if enough and sd >= NO_SPREAD else None,
        p=paired_p(a, b) if enough else None,
        compared=asked.compared,
    )


def _with_dunnett(compared: Sequence[Verdict], plan: Plan, asked: _Asked) -> list[Verdict]:
    """Adds Dunnett's test of all methods with enough seeds that share a vanilla cell."""

    def values(name: str) -> list[float]:
        return list(asked.values(plan.cells[name], asked.metric).values())

    found = list(compared)
    methods = [i for i, one in enumerate(found) if one.contrast is None and _enough(one)]
    for control in dict.fromkeys(found[i].over for i in methods):
        places = [i for i in methods if found[i].over == control]
        samples = [values(found[i].of) for i in places]
        for i, p in zip(places, dunnett_p(samples, values(control)), strict=True):
            found[i] = replace(found[i], p_dunnett=p)
    return found


def _judged(compared: Sequence[Verdict], level: float) -> Iterator[Verdict]:
    """Yields comparisons with Holm's p-values and what they show."""
    number = max((one.compared for one in compared), default=0)
    corrected = iter(holm([one.p for one in compared if one.p is not None], number))
    for one in compared:
        if one.p is None:
            yield one
            continue
        p = next(corrected)
        way: Holds = "better" if one.difference.mean > 0 else "worse"
        yield replace(one, p_holm=p, holds=way if p < level else "not shown")


def _enough(one: Verdict) -> bool:
    return len(one.seeds) >= LEAST_SEEDS
