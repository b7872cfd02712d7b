"""Finished runs beside the published numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from reid_srdl.records.content import ContentFacts
from reid_srdl.records.studies import Plan, gather
from reid_srdl.records.studies.match import FoundRun, finished_runs, match
from tests.records.factory import FIRST_OF_MAY
from tests.records.studies.made import CIFAR, configure, finished, plan, write_runs
from tests.records.studies.test_plan import TAUGHT

PLAIN = {0: 0.69, 1: 0.688, 2: 0.695}
SINGLE = {0: 0.71, 1: 0.715, 2: 0.722}
BOTH = {0: 0.72, 1: 0.722, 2: 0.73}


def found(planned: Plan, runs: Path) -> dict[str, FoundRun]:
    made, problems = finished_runs(runs, configure)
    assert problems == []
    return match(planned, runs, made)


def write_all(planned: Plan, runs: Path) -> None:
    for seed in planned.seeds:
        plain, srdl = planned.run_of("plain", seed), planned.run_of("single", seed)
        own = runs / "studies" / planned.folder_name
        write_runs(own, finished(plain, {"vanilla": PLAIN[seed]}))
        write_runs(own, finished(srdl, {"srdl": SINGLE[seed], "srdl+first": BOTH[seed]}))


def test_cells_and_contrasts(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    write_all(planned, tmp_path / "runs")
    results = gather(planned, found(planned, tmp_path / "runs"))
    plain, single, both = results.cells
    assert [cell.seeds for cell in results.cells] == [(0, 1, 2)] * 3
    top1 = single.scores[0]
    assert (top1.metric, top1.published) == ("top1", pytest.approx(0.7163))
    assert top1.measured is not None
    assert top1.measured.mean == pytest.approx(sum(SINGLE.values()) / 3)
    assert top1.difference == pytest.approx(sum(SINGLE.values()) / 3 - 0.7163)
    assert both.scores[0].measured is not None
    assert both.scores[0].measured.mean == pytest.approx(sum(BOTH.values()) / 3)
    assert plain.scores[1].metric == "top5"
    assert plain.scores[1].published is None
    assert plain.trcost == pytest.approx(0.4146)
    gain = results.contrasts[0].scores[0]
    test = stats.ttest_rel(list(SINGLE.values()), list(PLAIN.values()))
    assert gain.p is None  # three seeds
    assert gain.published == pytest.approx(0.0261)
    assert gain.measured is not None
    interval = test.confidence_interval(0.95)
    assert gain.measured.low == pytest.approx(float(interval.low))
    assert gain.measured.high == pytest.approx(float(interval.high))
    assert not results.missing
    assert [row.label for row in results.quotations] == ["Another's"]


def test_what_is_not_run_is_said(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    runs = tmp_path / "runs"
    write_runs(runs, finished(planned.run_of("plain", 2), {"vanilla": 0.7}))
    results = gather(planned, found(planned, runs))
    assert results.cells[0].seeds == (2,)
    assert results.cells[0].scores[0].measured is not None
    assert results.cells[0].scores[0].measured.low is None
    assert results.cells[1].scores[0].measured is None
    assert results.contrasts[0].scores[0].measured is None
    notes = "\n".join(results.notes)
    assert "not run: single, both" in notes
    assert "plain: 1 of 3 seeds; not run: 0, 1" in notes
    assert "one seed shows no spread" in notes
    assert "SRDL - vanilla: paired on the seeds that both sides have: none" in notes
    assert "plain-seed0" in results.missing
    assert "plain-seed2" not in results.missing


def test_differences_are_paired_on_the_common_seeds(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    runs = tmp_path / "runs"
    write_all(planned, runs)
    record = runs / "studies/mine/plain-seed1/record.json"
    record.unlink()
    results = gather(planned, found(planned, runs))
    gain = results.contrasts[0]
    assert gain.seeds == (0, 2)
    assert gain.scores[0].measured is not None
    expected = (SINGLE[0] - PLAIN[0] + SINGLE[2] - PLAIN[2]) / 2
    assert gain.scores[0].measured.mean == pytest.approx(expected)
    assert "paired on the seeds that both sides have: 0, 2" in "\n".join(results.notes)


def test_any_run_of_the_same_experiment_and_seed_counts(tmp_path: Path) -> None:
    planned = plan(tmp_path, seeds=[0])
    runs = tmp_path / "runs"
    plain, srdl = planned.run_of("plain", 0), planned.run_of("single", 0)
    elsewhere: dict[str, Any] = {"name": "by-hand"}
    write_runs(runs, finished(plain, {"vanilla": 0.5}, **elsewhere))
    write_runs(runs / "old", finished(srdl, {"srdl": 0.6}))  # without the ensemble
    matched = found(planned, runs)
    assert set(matched) == {"plain-seed0"}
    assert matched["plain-seed0"].folder == runs / "by-hand"
    newer = finished(plain, {"vanilla": 0.4}, name="newer")
    later = newer.model_copy(update={"created": FIRST_OF_MAY.replace(year=2026)})
    write_runs(runs, later)
    assert found(planned, runs)["plain-seed0"].folder == runs / "newer"
    write_runs(runs / "studies/mine", finished(plain, {"vanilla": 0.3}))
    assert found(planned, runs)["plain-seed0"].folder == runs / "studies/mine/plain-seed0"


def test_rehearsals_and_other_seeds_do_not_count(tmp_path: Path) -> None:
    full, short = plan(tmp_path), plan(tmp_path, scale=0.05)
    write_all(short, tmp_path / "runs")
    assert found(full, tmp_path / "runs") == {}
    assert len(found(short, tmp_path / "runs")) == 6
    assert found(plan(tmp_path, scale=0.05, seeds=[7]), tmp_path / "runs") == {}


def test_students_are_told_apart_by_their_runs_name(tmp_path: Path) -> None:
    planned = plan(tmp_path, changes=TAUGHT, seeds=[0])
    for index, run in enumerate(planned.runs):
        taught = run.config
        if run.teacher is not None:
            method = taught.method.model_copy(update={"teacher": f"/somewhere/{run.teacher}"})
            taught = taught.model_copy(update={"method": method})
        made = finished(run, {"result": index / 10}, config=taught.model_dump(mode="json"))
        write_runs(tmp_path / "runs", made)
    results = gather(planned, found(planned, tmp_path / "runs"))
    means = {cell.plan.name: cell.scores[0].measured for cell in results.cells}
    assert {name: round(one.mean, 6) for name, one in means.items() if one} == {
        "large": 0.0,
        "student": 0.1,
        "middle": 0.2,
        "other": 0.3,
    }


def test_records_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    runs = tmp_path / "runs"
    write_all(planned, runs)
    (runs / "studies/mine/plain-seed0/record.json").write_text("{")
    made, problems = finished_runs(runs, configure)
    assert len(made) == 5
    assert len(problems) == 1
    assert "plain-seed0" in problems[0]
    assert finished_runs(tmp_path / "nowhere", configure) == ([], [])


def test_only_runs_on_one_content_are_a_study_s(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    here, there = (
        ContentFacts(train=digit * 32, test="f" * 32, by="bytes", classes="c" * 32)
        for digit in "ab"
    )
    own, others = tmp_path / "runs/studies" / planned.folder_name, tmp_path / "runs/others"
    for seed, folder, content in ((0, own, here), (1, others, here), (2, others, there)):
        dataset = CIFAR.model_copy(update={"content": content})
        run = planned.run_of("plain", seed)
        write_runs(folder, finished(run, {"vanilla": PLAIN[seed]}, dataset=dataset))
    made, _ = finished_runs(tmp_path / "runs", configure)

    def seeds(content: ContentFacts | None) -> list[int]:
        told = None if content is None else (lambda _: (content.train, content.test))
        found = match(planned, tmp_path / "runs", made, told)
        return sorted(run.record.seed for run in found.values())

    assert seeds(None) == seeds(here) == [0, 1]
    assert seeds(there) == [2]
    assert seeds(here.model_copy(update={"test": "e" * 32})) == []
