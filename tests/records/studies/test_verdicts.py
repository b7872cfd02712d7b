"""Verdicts against scipy, hand-computed values and the definitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from reid_srdl.records.cost import Work
from reid_srdl.records.dunnett import dunnett_p
from reid_srdl.records.studies import gather
from reid_srdl.records.studies.results import StudyResults
from reid_srdl.records.studies.verdicts import Verdict, holm
from reid_srdl.report.study_export import study_json
from reid_srdl.report.verdicts import in_words, verdict_table
from tests.records.studies.made import finished, plan, write_runs
from tests.records.studies.test_results import found

VANILLA = [0.690, 0.688, 0.695, 0.691, 0.686]
GAINS = {"good": [0.021, 0.025, 0.018, 0.024, 0.02], "bad": [-0.03, -0.025, -0.028, -0.031, -0.026]}
GAINS["open"] = [0.004, -0.003, 0.002, -0.004, 0.003]


def cells(**others: Any) -> dict[str, Any]:
    methods: dict[str, dict[str, Any]] = {
        "plain": {"name": "vanilla"},
        "good": {"name": "srdl"},
        "bad": {"name": "dml"},
        "open": {"name": "entropy"},
    }
    made = {name: {"label": name, "config": {"method": method}} for name, method in methods.items()}
    return {**made, **others}


def shown(
    tmp_path: Path, seeds: int = 5, chosen: list[str] | None = None, **others: Any
) -> StudyResults:
    changes = {"cells": cells(**others), "contrasts": [], "seeds": list(range(seeds))}
    planned = plan(tmp_path, changes=changes, cells=chosen)
    for run in planned.runs:
        (name,) = run.cells
        gain = GAINS[name][run.seed] if name in GAINS else 0.0
        write_runs(tmp_path / "runs", finished(run, {"result": VANILLA[run.seed] + gain}))
    return gather(planned, found(planned, tmp_path / "runs"))


def only(results: StudyResults, name: str) -> Verdict:
    """Returns the comparison of one cell."""
    (one,) = (verdict for verdict in results.verdicts if verdict.of == name)
    return one


def test_differences_are_paired_corrected_and_told_in_words(tmp_path: Path) -> None:
    results = shown(tmp_path)
    by_name = {one.of: one for one in results.verdicts}
    assert {name: one.holds for name, one in by_name.items()} == {
        "good": "better",
        "bad": "worse",
        "open": "not shown",
    }
    ps = {}
    for name, gains in GAINS.items():
        one = by_name[name]
        ours = [v + g for v, g in zip(VANILLA, gains, strict=True)]
        test = stats.ttest_rel(ours, VANILLA)
        ps[name] = float(test.pvalue)
        assert one.p == pytest.approx(ps[name])
        interval = test.confidence_interval(0.95)
        assert (one.difference.low, one.difference.high) == pytest.approx(tuple(interval))
        assert one.effect == pytest.approx(np.mean(gains) / np.std(VANILLA, ddof=1))
    smallest, middle, largest = sorted(ps, key=ps.__getitem__)
    assert by_name[smallest].p_holm == pytest.approx(3 * ps[smallest])
    assert by_name[middle].p_holm == pytest.approx(2 * ps[middle])
    assert by_name[largest].p_holm == pytest.approx(ps[largest])
    samples = [np.add(VANILLA, GAINS[name]) for name in by_name]
    dunnett = stats.dunnett(*samples, control=VANILLA, rng=np.random.default_rng(1)).pvalue
    assert [one.p_dunnett for one in by_name.values()] == pytest.approx(list(dunnett), abs=5e-4)
    words = in_words(by_name["good"], 0.95)
    for part in ("good is better than plain: +2.16 points of top-1", "by Holm", "deviations"):
        assert part in words
    assert in_words(by_name["open"], 0.95).startswith("open: no difference is shown from plain")
    table = verdict_table(results)
    assert [row.values["holds"] for row in table.rows] == ["better", "worse", "not shown"]
    assert words in table.notes
    assert "over 3 comparisons" in table.notes[-1]
    assert table.title == "A study: each method against vanilla of the same setting"
    tree = study_json(results)["verdicts"]
    assert [one["words"] for one in tree] == list(table.notes[:-1])


def test_with_four_seeds_intervals_stand_alone(tmp_path: Path) -> None:
    for one in shown(tmp_path, seeds=4).verdicts:
        assert one.difference.low is not None
        assert (one.p_holm, one.p_dunnett, one.holds) == (None, None, None)
        assert (one.p, one.effect) == (None, None)
        assert "no verdict: fewer than 5 seeds" in in_words(one, 0.95)


def test_nothing_becomes_significant_by_looking_at_fewer_methods(tmp_path: Path) -> None:
    (few,) = shown(tmp_path, chosen=["plain", "good"]).verdicts
    assert few.p is not None
    assert few.p_holm == pytest.approx(3 * few.p)
    planned = plan(tmp_path, changes={"cells": cells(), "contrasts": [], "seeds": list(range(5))})
    there = found(planned, tmp_path / "runs")
    part = gather(planned, {k: v for k, v in there.items() if "bad" not in k and "open" not in k})
    assert (only(part, "good").p_holm, only(part, "good").compared) == (few.p_holm, 3)


def test_two_networks_are_no_baseline_though_they_come_first(tmp_path: Path) -> None:
    two = {"label": "two", "config": {"method": {"name": "vanilla", "models": 2}}}
    changes = {"cells": {"two": two, **cells()}, "contrasts": []}
    planned = plan(tmp_path, changes=changes, seeds=[0])
    for run in planned.runs:
        write_runs(tmp_path / "runs", finished(run, {"result": 0.5}))
    made = gather(planned, found(planned, tmp_path / "runs")).verdicts
    assert [(one.of, one.over) for one in made] == [
        (name, "plain") for name in ("two", "good", "bad", "open")
    ]


def test_contrasts_of_other_cells_are_judged_too(tmp_path: Path) -> None:
    contrasts = [
        {"label": "good - plain", "of": "good", "over": "plain"},  # as each method, once
        {"label": "good - bad", "of": "good", "over": "bad"},
        {"label": "bad - good", "of": "bad", "over": "good"},
    ]
    shown(tmp_path)
    changes = {"cells": cells(), "contrasts": contrasts, "seeds": list(range(5))}
    planned = plan(tmp_path, changes=changes)
    results = gather(planned, found(planned, tmp_path / "runs"))
    assert [one.of for one in results.verdicts] == ["good", "bad", "open", "good"]
    contrast = results.verdicts[-1]
    gains = np.subtract(GAINS["good"], GAINS["bad"])
    assert contrast.p == pytest.approx(float(stats.ttest_1samp(gains, 0).pvalue))
    assert contrast.effect == pytest.approx(
        gains.mean() / np.std(np.add(VANILLA, GAINS["bad"]), ddof=1)
    )
    assert (contrast.p_dunnett, contrast.holds, contrast.compared) == (None, "better", 4)
    ps = [one.p for one in results.verdicts if one.p is not None]
    assert [one.p_holm for one in results.verdicts] == holm(ps)
    before = shown(tmp_path).verdicts
    assert [one.p_dunnett for one in before] == [one.p_dunnett for one in results.verdicts[:3]]
    table = verdict_table(results)
    assert table.title.endswith("same setting, its contrasts")
    assert table.rows[-1].values["of"] == "good - bad"
    assert "over the other" in {column.title for column in table.columns}
    assert table.notes[3].startswith("good is better than bad: +4.96 points of top-1")
    planned = plan(tmp_path, changes=changes, cells=["good", "bad"])
    (alone,) = gather(planned, found(planned, tmp_path / "runs")).verdicts
    assert (alone.contrast, alone.compared) == ("good - bad", 4)


def test_the_work_beside_vanillas_is_that_of_the_records(tmp_path: Path) -> None:
    results = shown(tmp_path)
    assert [one.work for one in results.verdicts] == [1.0] * 3
    runs = dict(results.runs)
    for seed, times in enumerate((1, 2, 3, 4, 5)):
        name = f"good-seed{seed}"
        record = runs[name].record
        done = Work.of(times * record.work.forward, times * record.work.backward)
        costlier = record.model_copy(update={"work": done})
        runs[name] = replace(runs[name], record=costlier)
    dearer = gather(results.plan, runs)
    assert only(dearer, "good").work == pytest.approx(3.0)
    taught = runs["bad-seed0"].record
    cost = taught.cost.model_copy(update={"teachers_work": taught.work})
    runs["bad-seed0"] = replace(runs["bad-seed0"], record=taught.model_copy(update={"cost": cost}))
    assert only(gather(results.plan, runs), "bad").work == pytest.approx(6 / 5)
    shares = [row.values["work"] for row in verdict_table(dearer).rows]
    assert shares == ["3.000", "1.000", "1.000"]


def test_equal_runs_of_vanilla_give_no_effect_however_floats_round(tmp_path: Path) -> None:
    same = 0.9871  # five of them have the deviation 1e-16 in floats
    planned = plan(tmp_path, changes={"cells": cells(), "contrasts": [], "seeds": list(range(5))})
    for run in planned.runs:
        (name,) = run.cells
        gain = GAINS[name][run.seed] if name in GAINS else 0.0
        write_runs(tmp_path / "runs", finished(run, {"result": same - abs(gain)}))
    for one in gather(planned, found(planned, tmp_path / "runs")).verdicts:
        assert one.effect is None
        assert one.holds == "worse"


def test_a_p_value_is_no_smaller_than_its_error(tmp_path: Path) -> None:
    one = replace(only(shown(tmp_path), "good"), p_dunnett=2e-16)
    assert "below 1e-09 by Dunnett" in in_words(one, 0.95)


def test_only_vanilla_of_the_same_setting_is_a_baseline(tmp_path: Path) -> None:
    other = {"method": {"name": "kd", "teacher": "resnet20"}, "model": {"name": "resnet20"}}
    results = shown(tmp_path, other={"label": "other", "config": other})
    assert "other" not in {one.of for one in results.verdicts}
    assert len(results.verdicts) == 3


def test_differences_without_spread_are_not_judged(tmp_path: Path) -> None:
    same = {"label": "same", "config": {"method": {"name": "byot"}}}
    (one,) = (v for v in shown(tmp_path, same=same).verdicts if v.of == "same")
    assert (one.p, one.holds, one.difference.mean) == (None, None, 0.0)
    assert "do not vary" in in_words(one, 0.95)
    assert (one.difference.low, one.compared) == (None, 4)
    assert dunnett_p([[0.5] * 5], [0.4] * 5) == [None]


def test_holm_as_by_hand() -> None:
    # 4 * 0.005, 3 * 0.01, 2 * 0.03, then no smaller than the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.01, 0.04], 4) == pytest.approx([0.04, 0.12])
