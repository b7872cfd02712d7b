"""A study's table: what people read, worked out by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from scipy import stats

from reid_srdl.records.studies import Plan, StudyResults, gather
from reid_srdl.records.studies.match import FoundRun
from reid_srdl.report.render import to_csv, to_latex, to_markdown
from reid_srdl.report.study import rehearsal, study_table
from reid_srdl.report.study_export import study_csv_table, study_json
from tests.records.studies.made import STUDY, finished, plan

PLAIN = {0: 0.690, 1: 0.688, 2: 0.692, 3: 0.690, 4: 0.690}
SINGLE = {0: 0.710, 1: 0.712, 2: 0.714, 3: 0.712, 4: 0.712}


def results(planned: Plan) -> StudyResults:
    found = {}
    for run in planned.runs:
        scores = {"vanilla": PLAIN[run.seed]}
        if "single" in run.cells:
            scores = {"srdl": SINGLE[run.seed], "srdl+first": 0.72}
        found[run.name] = FoundRun(Path("runs") / run.name, finished(run, scores), run.config)
    return gather(planned, found)


def cells(made: StudyResults) -> dict[tuple[str, str], dict[str, str]]:
    table = study_table(made)
    rows, label = {}, ""
    for row in table.rows:
        texts = {column.key: table.text(row, column) for column in table.columns}
        label = texts["cell"] or label
        rows[label, texts["metric"]] = texts
    return rows


def test_a_cells_row(tmp_path: Path) -> None:
    """sd of 0.710, 0.712, 0.714 is 0.002; t(2) = 4.3027, so 0.712 -+ 0.00497."""
    row = cells(results(plan(tmp_path)))["SRDL", "top-1"]
    assert row["published"] == "71.63"
    assert row["measured"] == "71.20 ± 0.20 (3)"
    assert row["interval"] == "70.70 to 71.70"
    assert row["difference"] == "-0.43"
    assert row["seeds"] == "3 of 3"
    assert (row["trcost"], row["quoted"]) == ("0.415", "-")
    assert row["seconds"] == "0:00:12"
    assert cells(results(plan(tmp_path)))["vanilla", "top-1"]["quoted"] == "0.08"


def test_a_gains_row(tmp_path: Path) -> None:
    """Differences 0.020, 0.024, 0.022: mean 0.022, sd 0.002; three seeds are no test."""
    row = cells(results(plan(tmp_path)))["gain: SRDL - vanilla", "top-1"]
    assert row["published"] == "+2.61"
    assert row["measured"] == "+2.20 ± 0.20 (3)"
    assert row["interval"] == "+1.70 to +2.70"
    assert row["difference"] == "-0.41"
    assert row["p"] == "-"
    row = cells(results(plan(tmp_path, seeds=range(5))))["gain: SRDL - vanilla", "top-1"]
    # two more of 0.022: sd 0.0014142, t(4) = 34.79
    assert (row["measured"], row["p"]) == ("+2.20 ± 0.14 (5)", "4.1e-06")


def test_equal_numbers_have_no_test_and_one_seed_no_interval(tmp_path: Path) -> None:
    one = cells(results(plan(tmp_path, seeds=[0])))
    assert one["SRDL", "top-1"]["measured"] == "71.00 (1)"
    assert one["SRDL", "top-1"]["interval"] == "-"
    assert one["gain: SRDL - vanilla", "top-1"]["p"] == "-"
    assert one["gain: SRDL - vanilla", "top-1"]["interval"] == "-"


def test_the_last_epochs_cross_entropy_stands_where_it_is_published(tmp_path: Path) -> None:
    assert "final_ce" not in cells(results(plan(tmp_path)))["SRDL", "top-1"]
    quoted = {"quoted": {"final_ce": 0.1637}}
    changed = {name: {**cell, **quoted} for name, cell in STUDY["cells"].items()}
    row = cells(results(plan(tmp_path, changes={"cells": changed})))["SRDL", "top-1"]
    assert (row["final_ce"], row["final_ce_quoted"]) == ("0.1", "0.1637")


def test_quotations_are_called_so(tmp_path: Path) -> None:
    row = cells(results(plan(tmp_path)))["Another's (quoted)", "top-1"]
    assert (row["published"], row["measured"]) == ("50.50", "")


def test_not_run(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    made = gather(planned, {})
    rows = cells(made)
    assert rows["SRDL", "top-1"]["measured"] == "not run"
    assert rows["SRDL", "top-1"]["seeds"] == "0 of 3"
    assert rows["gain: SRDL - vanilla", "top-1"]["measured"] == "not run"
    assert "not run: plain, single, both" in study_table(made).notes
    tree = study_json(made)
    assert {cell["state"] for cell in tree["cells"]} == {"not run"}
    assert len(tree["not_run"]) == 6


@pytest.mark.parametrize("scale", [1.0, 0.05])
def test_rehearsals_are_marked_everywhere(tmp_path: Path, scale: float) -> None:
    made = results(plan(tmp_path, scale=scale))
    table = study_table(made)
    mark = "rehearsal at scale 0.05: not comparable with the paper"
    assert rehearsal(0.05) == mark
    for text in (to_markdown([table]), to_latex([table]), json.dumps(study_json(made))):
        assert (mark in text) == (scale != 1)
    lines = to_csv([study_csv_table(made)]).splitlines()
    column = lines[0].split(",").index("rehearsal")
    marked = {line.split(",")[column] for line in lines[1:]}
    assert marked == ({"yes"} if scale != 1 else {"no"})
    for label in ("SRDL", "gain: SRDL - vanilla"):
        assert (cells(made)[label, "top-1"]["difference"] == "-") == (scale != 1)


def test_a_row_of_csv_names_its_data_set_and_what_it_was_judged_on(tmp_path: Path) -> None:
    lines = csv.DictReader(to_csv([study_csv_table(results(plan(tmp_path)))]).splitlines())
    rows = [row for row in lines if row["kind"] == "row" and row["quotation"] == "no"]
    told = {(row["dataset"], row["network"], row["judged_on"]) for row in rows}
    assert told == {("cifar100", "resnet50", "")}


def test_json_holds_raw_fractions(tmp_path: Path) -> None:
    tree = study_json(results(plan(tmp_path)))
    both = tree["cells"][2]
    assert (both["cell"], both["result"], both["seeds"]) == ("both", "srdl+first", [0, 1, 2])
    assert both["scores"][0]["measured"]["mean"] == pytest.approx(0.72)
    assert both["runs"] == ["runs/single-seed0", "runs/single-seed1", "runs/single-seed2"]
    gain = tree["contrasts"][0]
    assert (gain["of"], gain["over"], gain["seeds"]) == ("single", "plain", [0, 1, 2])
    assert gain["scores"][0]["p"] is None
    (gain, _) = study_json(results(plan(tmp_path, seeds=range(5))))["contrasts"]
    differences = [SINGLE[seed] - PLAIN[seed] for seed in range(5)]
    expected = float(stats.ttest_1samp(differences, 0).pvalue)
    assert gain["scores"][0]["p"] == pytest.approx(expected)
    assert tree["quotations"] == [{"label": "Another's", "published": {"top1": 0.505}}]
