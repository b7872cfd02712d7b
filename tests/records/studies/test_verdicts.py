"""Verdicts against scipy, hand-computed values and the definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from reid_srdl.records.dunnett import dunnett_p
from reid_srdl.records.studies import gather
from reid_srdl.records.studies.results import StudyResults
from reid_srdl.records.studies.verdicts import holm
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


def shown(tmp_path: Path, seeds: int = 5, **others: Any) -> StudyResults:
    changes = {"cells": cells(**others), "contrasts": [], "seeds": list(range(seeds))}
    planned = plan(tmp_path, changes=changes)
    for run in planned.runs:
        (name,) = run.cells
        gain = GAINS[name][run.seed] if name in GAINS else 0.0
        write_runs(tmp_path / "runs", finished(run, {"result": VANILLA[run.seed] + gain}))
    return gather(planned, found(planned, tmp_path / "runs"))


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
    assert in_words(by_name["open"], 0.95).startswith("open: no difference from plain is shown")
    table = verdict_table(results)
    assert [row.values["holds"] for row in table.rows] == ["better", "worse", "not shown"]
    assert words in table.notes
    assert "over 3 comparisons" in table.notes[-1]
    tree = study_json(results)["verdicts"]
    assert [one["words"] for one in tree] == list(table.notes[:-1])


def test_with_four_seeds_intervals_stand_alone(tmp_path: Path) -> None:
    for one in shown(tmp_path, seeds=4).verdicts:
        assert one.difference.low is not None
        assert (one.p_holm, one.p_dunnett, one.holds) == (None, None, None)
        assert "no verdict: fewer than 5 seeds" in in_words(one, 0.95)


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
    assert dunnett_p([[0.5] * 5], [0.4] * 5) == [None]


def test_holm_as_by_hand() -> None:
    # 4 * 0.005, 3 * 0.01, 2 * 0.03, then no smaller than the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
