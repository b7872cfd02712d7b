"""Runs on several re-id sets: trained on all, judged on each, resumed, compared, tabled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reid_srdl.config import merge
from reid_srdl.errors import UserError
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.evaluate import evaluate_run
from reid_srdl.jobs.experiment import configured
from reid_srdl.jobs.report_runs import files_of_run, read_entries
from reid_srdl.jobs.search import search_run
from reid_srdl.jobs.train import resume, train
from reid_srdl.records.joint import on_set
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.metrics import score_of
from reid_srdl.records.per_query import read_results
from reid_srdl.records.store import of_dataset, read_records
from reid_srdl.records.studies import plan_study, read_study
from reid_srdl.records.studies.match import FoundRun
from reid_srdl.records.studies.results import gather
from reid_srdl.report.study import study_table
from reid_srdl.report.study_export import study_csv_table
from reid_srdl.retrieval.result import Evaluation
from tests.records.studies.made import configure, rehearsed, write_study
from tests.reports.runs import TREE, Listener, config
from tests.small_set import write_small_set


@pytest.fixture
def sets(tmp_path: Path) -> list[Path]:
    """Two sets of images of unlike sizes."""
    one = write_small_set(tmp_path / "a", train=6)
    return [one, write_small_set(tmp_path / "b", train=4, height=48, width=24)]


def joint(sets: list[Path], runs: Path, /, **changes: Any) -> Any:
    places = {"name": "walkers+folder", "dir": None, "dirs": [str(place) for place in sets]}
    return config(sets[0], runs, "joint", **merge({"data": places}, changes))


def test_a_joint_run_from_its_plan_to_the_leaderboard(
    sets: list[Path], tmp_path: Path, cache: Path
) -> None:
    runs = tmp_path / "runs"
    asked = joint(sets, runs)
    planned = plan(asked)
    assert planned["dataset"]["identities"] == 10
    assert not runs.exists()

    with pytest.raises(KeyboardInterrupt):
        train(asked, Listener(stop=True))
    moved = [place.rename(place.with_name(f"{place.name}-moved")) for place in sets]
    with pytest.raises(UserError, match="no such file or folder"):
        resume(runs / "joint")
    record = resume(runs / "joint", data_dirs=moved)

    assert record.dataset.identities == sum(part.identities or 0 for part in record.dataset.parts)
    assert [(one.network, one.data.name) for one in record.evaluations] == [
        ("vanilla", "walkers"),
        ("vanilla", "folder"),
    ]
    for one in record.evaluations:
        _, later, _ = evaluate_run(runs / "joint", dataset=one.data.name)
        assert isinstance(one.result, Evaluation)
        assert later.evaluation.single_query == one.result.single_query
        assert later.evaluation.multi_query == one.result.multi_query
    with pytest.raises(UserError, match="each of these is judged by itself"):
        evaluate_run(runs / "joint")
    with pytest.raises(UserError, match="no one gallery"):
        search_run(runs / "joint", next((moved[0] / "query").iterdir()))

    alone = config(moved[0], runs, "alone", data={"name": "walkers"})
    train(alone)
    records, problems = read_records(runs)
    assert not problems
    board = leaderboard(records)
    assert [(row.dataset.name, row.runs) for row in board.rows] == [
        ("folder", ("joint",)),
        ("walkers", ("alone",)),
        ("walkers", ("joint",)),
    ]
    assert "walkers+folder" in next(
        row.label for row in board.rows if row.runs == ("joint",) and row.dataset.name == "walkers"
    )
    assert [one.name for one in of_dataset(records, "folder", runs)] == ["joint"]

    with pytest.raises(UserError, match="judged on walkers, folder"):
        read_results(runs / "joint")
    here, there = (read_results(runs / name, "walkers") for name in ("joint", "alone"))
    assert (here.content, here.labels) == (there.content, there.labels)
    assert here.train != there.train


def test_a_report_shows_each_set_by_its_own_ranks_and_images(
    sets: list[Path], tmp_path: Path, cache: Path
) -> None:
    """The first set has a query fewer; what the page shows of each is of that set's queries."""
    gone = sorted((sets[0] / "query").iterdir())[-1]
    gone.unlink()
    train(joint(sets, tmp_path / "runs"))
    found, notes = read_entries([tmp_path / "runs"])
    assert notes == []
    assert sorted(entry.dataset for entry in found) == ["folder", "walkers"]
    for entry in found:
        place = sets[0] if entry.dataset == "walkers" else sets[1]
        (run,) = entry.runs
        kept = run.ranks(entry.dataset)
        assert kept is not None
        assert len(kept) == len(list((place / "query").iterdir()))
        files = files_of_run(run, entry.dataset, kept, {})
        assert files.query is not None
        assert {path.parent.parent for path in files.query.values()} == {place}


def test_the_order_of_the_sets_and_joint_change_what_is_trained(
    sets: list[Path], tmp_path: Path, cache: Path
) -> None:
    train(joint(sets, tmp_path / "runs"))
    with pytest.raises(UserError, match="holds a run on other data"):
        train(joint([sets[1], sets[0]], tmp_path / "runs"))
    with pytest.raises(UserError, match="holds a run of another configuration"):
        train(joint(sets, tmp_path / "runs", data={"joint": "proportional"}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"optim": {"batch_size": 9}}, "9 has no 2 equal parts"),
        ({"data": {"identities": 5}}, "more than the 4 of the training set of folder"),
        ({"data": {"split": 1}}, "the first division of each"),
    ],
)
def test_what_is_refused_before_training(
    sets: list[Path], tmp_path: Path, cache: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        train(joint(sets, tmp_path / "runs", **changes))
    assert not list(tmp_path.glob("runs/*/phases"))


def test_one_place_for_each_or_one_for_all(tmp_path: Path) -> None:
    def places(name: str, *given: str) -> Any:
        tree = {"data.name": name, "data.dir": [Path(place) for place in given]}
        return configured(tree, file, [], None).data

    file = tmp_path / "c.yaml"
    file.write_text(json.dumps({key: TREE[key] for key in ("method", "optim", "train")}))
    assert places("walkers+folder", "a").dir == Path("a")
    assert places("walkers+folder", "a", "b").dirs == (Path("a"), Path("b"))
    with pytest.raises(UserError, match=r"3 places for walkers\+folder, which is 2 sets"):
        places("walkers+folder", "a", "b", "c")
    with pytest.raises(UserError, match="2 places for walkers, which is 1 set"):
        places("walkers", "a", "b")
    with pytest.raises(UserError, match="walkers with itself"):
        places("walkers+walkers", "a", "b")


def test_a_studys_cell_shows_each_set(sets: list[Path], tmp_path: Path, cache: Path) -> None:
    asked = joint(sets, tmp_path / "runs")
    record = train(asked)
    cells = {
        name: {"label": name, "config": {}, "published": {"single_mAP": 50.0}} for name in "ab"
    }
    tree = {
        "title": "joint",
        "seeds": [0],
        "config": {"data": {"name": "walkers+folder"}},
        "cells": cells,
        "contrasts": [{"label": "b - a", "of": "b", "over": "a"}],
    }
    planned = plan_study(read_study(write_study(tmp_path, tree)), configure, rehearsed)
    there = FoundRun(tmp_path / "runs" / "joint", record, asked)
    results = gather(planned, {run.name: there for run in planned.runs})
    for cell in results.cells:
        for score in cell.scores:
            wanted = score_of(on_set(record, "", score.dataset).result, score.metric)
            assert score.measured is not None
            assert score.measured.mean == wanted
            assert (score.published is not None) == (
                (score.metric, score.dataset) == ("single_mAP", "walkers")
            )
        names = [(score.metric, score.dataset) for score in cell.scores]
        assert {dataset for _, dataset in names} == {"walkers", "folder"}
        assert len(names) == len(set(names))
    assert {score.dataset for score in results.contrasts[0].scores} == {"walkers", "folder"}
    told = [str(row.values["metric"]) for row in study_table(results).rows]
    assert "single mAP, walkers" in told
    assert "single mAP, folder" in told
    assert {row.values["judged_on"] for row in study_csv_table(results).rows} == {
        "walkers",
        "folder",
    }
