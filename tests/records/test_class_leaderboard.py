"""Classification runs in the leaderboard: top-1, top-5, gains; beside re-id runs."""

from __future__ import annotations

import csv
import io
import json

import pytest

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.run import DatasetFacts, RunRecord
from reid_srdl.report import render
from reid_srdl.report.leaderboard import leaderboard_tables
from tests.records.factory import record

CIFAR = DatasetFacts(
    name="cifar100", task="classification", images=50_000, classes=100, test=10_000
)


def classified(method: str, seed: int, top1: float, *, ensemble: float | None = None) -> RunRecord:
    scores = {"net": ClassScores(top1=top1, top5=top1 + 0.2, loss=1.5, images=10_000)}
    options = {}
    if ensemble is not None:
        scores["net+first"] = ClassScores(top1=ensemble, top5=0.95, loss=1.0, images=10_000)
        options = {"eval": {"ensembles": []}}
    return record(method, seed, dataset=CIFAR, model="resnet32", results=scores, config=options)


def runs() -> list[RunRecord]:
    return [
        classified("vanilla", 0, 0.68),
        classified("vanilla", 1, 0.70),
        classified("srdl", 0, 0.71, ensemble=0.72),
        classified("srdl", 1, 0.72, ensemble=0.73),
    ]


def test_gain_is_paired_by_seed() -> None:
    board = leaderboard(runs())
    vanilla, srdl = board.rows
    assert (vanilla.method, srdl.method) == ("vanilla", "srdl")
    assert srdl.scores["top1"] is not None
    assert srdl.scores["top1"].mean == pytest.approx(0.715)
    (gain,) = board.gains
    assert gain.paired
    top1 = gain.scores["top1"]
    assert top1 is not None
    assert (top1.mean, top1.n) == (pytest.approx(0.025), 2)
    assert top1.sd == pytest.approx(0.005 * 2**0.5)


def test_both_tasks_have_their_own_table() -> None:
    board = leaderboard([*runs(), record("vanilla", 0)])
    cifar, market = leaderboard_tables(board)
    assert [column.key for column in cifar.columns][-2:] == ["top1", "top5"]
    assert [column.key for column in market.columns][-1] == "multi_mAP"
    assert "test images" in cifar.title


def test_exports_hold_the_columns_of_both() -> None:
    tables = leaderboard_tables(leaderboard([*runs(), record("vanilla", 0)]))
    rows = list(csv.DictReader(io.StringIO(render.to_csv(tables))))
    by_set = {row["dataset"]: row for row in rows if row["kind"] == "row"}
    assert by_set["cifar100"]["single_mAP_mean"] == ""
    assert by_set["market1501"]["top1_mean"] == ""
    tree = json.loads(render.to_json(tables))
    assert tree["gains"][0]["top1"]["mean"] == pytest.approx(0.025)
    assert tree["gains"][0]["single_mAP"] is None


def test_a_data_set_lacks_nothing_of_its_task() -> None:
    with pytest.raises(ValueError, match="classes, test"):
        DatasetFacts(name="cifar100", task="classification", images=10)
