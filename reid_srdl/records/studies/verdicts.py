"""What a study shows of its methods: each against vanilla, over seeds, corrected for their number.

Differences are paired by seed and tested by Student's t; p-values are corrected over all
comparisons of the study in one metric (Holm, A Simple Sequentially Rejective Multiple Test
Procedure, 1979). Beside that stands Dunnett's test of several groups against one control (Dunnett
1955), which does not pair. Ranks are not tested: with 16 methods and 5 seeds no rank test can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from reid_srdl.records.dunnett import dunnett_p
from reid_srdl.records.intervals import Estimate, estimate, paired_p
from reid_srdl.records.studies.plan import CellPlan

BASELINE = "vanilla"
LEAST_SEEDS = 5  # with fewer, intervals stand alone
JUDGED = ("top1", "single_rank1", "single_mAP")  # the metrics that verdicts are about

Holds = Literal["better", "worse", "not shown"]
Values = Callable[[CellPlan, str], Mapping[int, float]]


@dataclass(frozen=True)
class Verdict:
    """One method against vanilla of the same setting, in one metric; fractions.

    Attributes:
        of, over: names of the two cells.
        label, over_label: how tables call them.
        metric: the metric.
        seeds: that both cells have.
        difference: of - over, run by run of one seed.
        effect: the mean difference over vanilla's standard deviation; None where that has none.
        p: of the paired t-test, two-sided; None where it is not possible.
        p_holm: corrected over the study's comparisons in this metric; None with too few seeds.
        p_dunnett: of Dunnett's test over the methods of this vanilla; None likewise.
        holds: what is shown at the intervals' confidence; None where nothing is judged.
    """

    of: str
    over: str
    label: str
    over_label: str
    metric: str
    seeds: tuple[int, ...]
    difference: Estimate
    effect: float | None
    p: float | None
    p_holm: float | None = None
    p_dunnett: float | None = None
    holds: Holds | None = None


def holm(p: Sequence[float]) -> list[float]:
    """Returns Holm's adjusted p-values: max over j <= i of min(1, (m - j + 1) p_(j)), p_(j) sorted.

    >>> [round(one, 3) for one in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted, largest, m = [0.0] * len(p), 0.0, len(p)
    for rank, place in enumerate(sorted(range(m), key=p.__getitem__)):
        largest = max(largest, min(1.0, (m - rank) * p[place]))
        adjusted[place] = largest
    return adjusted


def verdicts(
    cells: Iterable[CellPlan], values: Values, confidence: float = 0.95
) -> tuple[Verdict, ...]:
    """Compares each method of a study with vanilla of the same setting.

    Args:
        cells: the study's cells.
        values: the scores of a cell in a metric, by seed.
        confidence: of the intervals; 1 - confidence is the level of the tests.
    """
    pairs = list(_pairs(list(cells)))
    found: list[Verdict] = []
    for metric in JUDGED:
        compared = [
            one for of, over in pairs if (one := _one(of, over, metric, values, confidence))
        ]
        found += _judged(_with_dunnett(compared, pairs, metric, values), 1 - confidence)
    return tuple(found)


def setting_of(cell: CellPlan) -> dict[str, Any]:
    """Returns what a method and its vanilla share: all of the configuration but the method."""
    tree = cell.config.model_dump(mode="json", exclude={"method": True, "run": True})
    tree["eval"].pop("ensembles")
    return tree


def _pairs(cells: Sequence[CellPlan]) -> Iterator[tuple[CellPlan, CellPlan]]:
    """Yields each cell with the first vanilla one of its setting."""
    plain = [c for c in cells if c.config.method.name == BASELINE and c.cell.result is None]
    for cell in cells:
        alike = [one for one in plain if setting_of(one) == setting_of(cell)]
        if alike and cell.name != alike[0].name:
            yield cell, alike[0]


def _one(
    of: CellPlan, over: CellPlan, metric: str, values: Values, confidence: float
) -> Verdict | None:
    """Returns a comparison that is not judged yet; None where no seed is common."""
    if metric not in of.metrics:
        return None
    ours, theirs = values(of, metric), values(over, metric)
    seeds = tuple(seed for seed in ours if seed in theirs)
    if not seeds:
        return None
    a, b = [ours[seed] for seed in seeds], [theirs[seed] for seed in seeds]
    difference = estimate([x - y for x, y in zip(a, b, strict=True)], confidence)
    sd = estimate(b).sd
    return Verdict(
        of=of.name,
        over=over.name,
        label=of.cell.label,
        over_label=over.cell.label,
        metric=metric,
        seeds=seeds,
        difference=difference,
        effect=difference.mean / sd if sd else None,
        p=paired_p(a, b),
    )


def _with_dunnett(
    compared: Sequence[Verdict],
    pairs: Sequence[tuple[CellPlan, CellPlan]],
    metric: str,
    values: Values,
) -> list[Verdict]:
    """Adds Dunnett's test of all methods with enough seeds that share a vanilla cell."""
    plans = {cell.name: cell for pair in pairs for cell in pair}
    found = list(compared)
    for control in dict.fromkeys(one.over for one in compared):
        places = [i for i, one in enumerate(found) if one.over == control and _enough(one)]
        samples = [list(values(plans[found[i].of], metric).values()) for i in places]
        for i, p in zip(
            places,
            dunnett_p(samples, list(values(plans[control], metric).values())),
            strict=True,
        ):
            found[i] = replace(found[i], p_dunnett=p)
    return found


def _judged(compared: Sequence[Verdict], level: float) -> Iterator[Verdict]:
    """Yields comparisons with Holm's p-values and what they show."""
    tested = {one.of: one.p for one in compared if _enough(one) and one.p is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    for one in compared:
        p = corrected.get(one.of)
        if p is None:
            yield one
            continue
        way: Holds = "better" if one.difference.mean > 0 else "worse"
        yield replace(one, p_holm=p, holds=way if p < level else "not shown")


def _enough(one: Verdict) -> bool:
    return len(one.seeds) >= LEAST_SEEDS
