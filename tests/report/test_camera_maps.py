"""Heat maps by cameras, and the words that stand where one cannot be drawn."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from reid_srdl.jobs.report_runs import read_entries
from reid_srdl.records.kept_ranks import ranks_file, read_ranks, write_ranks
from reid_srdl.records.store import read_record
from reid_srdl.report.html.camera_maps import camera_maps
from reid_srdl.report.html.runs import Entry, ReportRun
from reid_srdl.retrieval.result import Evaluation


@pytest.fixture
def runs(walkers: Path, tmp_path: Path) -> Path:
    """A copy of the two runs."""
    shutil.copytree(walkers / "r", tmp_path / "r")
    return tmp_path / "r"


def test_maps_of_one_data_set_have_one_scale(runs: Path) -> None:
    """The fullest colour is the highest cell of all, so a map whose cells are lower has it not."""
    one = read_record(runs / "srdl").evaluations[0]
    kept = read_ranks(ranks_file(runs / "srdl", one))
    assert kept is not None
    assert kept.cameras is not None
    lower = dataclasses.replace(kept.cameras, mAP=kept.cameras.mAP / 100)
    write_ranks(runs / "srdl", one, dataclasses.replace(kept, cameras=lower))
    found, _ = read_entries([runs])
    charts, notes = camera_maps(found)
    assert len(charts) == 2
    assert notes == []
    fullest = [chart.drawing.count("fill-opacity:1.00") for chart in charts]
    assert sorted(map(bool, fullest)) == [False, True]
    assert charts[0].note == charts[1].note


def test_a_run_that_kept_nothing_is_named(runs: Path) -> None:
    shutil.rmtree(runs / "srdl/ranks")
    charts, notes = camera_maps(read_entries([runs])[0])
    assert len(charts) == 1
    assert [re.sub(r"walkers, .*", "ROW", note) for note in notes] == [
        "No mAP by cameras, because nothing was kept of the ranking (reid-srdl eval RUN keeps it): "
        "ROW"
    ]


def test_the_reason_that_was_kept_is_told(runs: Path) -> None:
    for name in ("srdl", "vanilla"):
        one = read_record(runs / name).evaluations[0]
        kept = read_ranks(ranks_file(runs / name, one))
        assert kept is not None
        without = {"cameras": None, "cameras_note": "there are more than 64 cameras"}
        write_ranks(runs / name, one, dataclasses.replace(kept, **without))
    charts, notes = camera_maps(read_entries([runs])[0])
    assert charts == []
    assert len(notes) == 1
    assert notes[0].startswith("No mAP by cameras, because there are more than 64 cameras: walkers")


RULES: dict[str, tuple[dict[str, Any], str]] = {
    "index": ({"index": "Flat"}, "A cell is of what the index retrieved"),
    "rerank": ({"rerank": {"method": "k-reciprocal"}}, "in the order of the re-ranking"),
}


@pytest.mark.parametrize(("rules", "told"), RULES.values(), ids=RULES.keys())
def test_a_map_says_whose_order_it_is_in(rules: dict[str, Any], told: str, runs: Path) -> None:
    found, _ = read_entries([runs])
    charts, _ = camera_maps([_judged_by(entry, rules) for entry in found])
    assert all(told in chart.note for chart in charts)
    assert not any(told in chart.note for chart in camera_maps(found)[0])


def _judged_by(entry: Entry, rules: dict[str, Any]) -> Entry:
    """Returns a row whose runs say that other rules gave their numbers."""

    def changed(run: ReportRun) -> ReportRun:
        one = run.record.evaluations[0]
        assert isinstance(one.result, Evaluation)
        protocol = type(one.result.protocol).model_validate(
            {**one.result.protocol.model_dump(), **rules}
        )
        result = one.result.model_copy(update={"protocol": protocol})
        own = (one.model_copy(update={"result": result}),)
        return dataclasses.replace(run, record=run.record.model_copy(update={"evaluations": own}))

    kept = [dataclasses.replace(changed(run), ranks=run.ranks) for run in entry.runs]
    return dataclasses.replace(entry, runs=tuple(kept))


def test_ranks_are_those_of_the_set_that_is_shown(runs: Path) -> None:
    """A joint run is judged on several sets; what one kept never stands for another."""
    found, _ = read_entries([runs])
    run = found[0].runs[0]
    assert run.ranks("walkers") is not None
    assert run.ranks("elsewhere") is None
    elsewhere = found[0].row.dataset.model_copy(update={"name": "elsewhere"})
    row = dataclasses.replace(found[0].row, dataset=elsewhere)
    charts, notes = camera_maps([dataclasses.replace(found[0], row=row)])
    assert charts == []
    assert "nothing was kept" in notes[0]
