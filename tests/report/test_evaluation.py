"""Tables of evaluations with deviations."""

from __future__ import annotations

import pytest

from reid_srdl.config import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate, evaluate_by
from reid_srdl.jobs.eval_options import EvalLine
from reid_srdl.jobs.splits import averaged
from reid_srdl.report.evaluation import evaluation_table, rule_notes, splits_table
from reid_srdl.retrieval.result import Rules
from tests.retrieval.test_rerank import people


def test_single_shot_shows_deviations_beside_means() -> None:
    found = evaluate_by(people(0), Protocol(gallery="single-shot", trials=5)).evaluation
    table = evaluation_table(found, "x")
    rows = {str(row.values["score"]): row.values for row in table.rows}
    assert found.spread is not None
    assert rows["Rank-1"]["single-query"] == f"{100 * found.single_query.rank1:.2f}"
    assert rows["Rank-1"]["spread"] == f"{100 * found.spread.rank1:.2f}"
    assert "spread" not in rows["queries"]
    assert any("5 trials from seed 0" in note for note in table.notes)
    assert any("distractors (pid 0)" in note for note in table.notes)


def test_only_rules_that_matter_for_the_scores_are_told() -> None:
    scores = evaluate_by(people(0), Protocol()).evaluation.single_query
    alike = scores.model_copy(update={"mAP_trapezoid": scores.mAP, "skipped": 0})
    assert rule_notes(Rules(), alike) == ("euclidean distance of raw features",)
    apart = scores.model_copy(update={"mAP_trapezoid": scores.mAP - 0.001, "skipped": 2})
    notes = rule_notes(Rules(normalize=True, distractors=7), alike, apart)
    assert notes == (
        "euclidean distance of L2-normalised features",
        "multi-query boxes pooled by mean",
        Rules().no_match,
        Rules().ap,
        "7 distractors (pid 0) in the gallery",
    )


def test_rules_of_another_code_are_all_told() -> None:
    found = evaluate_by(people(0), Protocol(rules="torchreid")).evaluation
    notes = evaluation_table(found, "x").notes
    rules = found.protocol
    assert notes[0] == "rules of torchreid"
    assert {rules.junk, rules.same_camera_note, rules.ties, rules.no_match, rules.ap} <= {*notes}


def test_splits_show_means_and_deviations() -> None:
    evaluations = [evaluate(people(seed)).evaluation for seed in range(3)]
    scores = averaged("viper", evaluations)
    table = splits_table(scores.mean, scores.spread, evaluations[0].protocol, "x")
    (row,) = (row.values for row in table.rows if row.values["score"] == "mAP")
    maps = [100 * one.single_query.mAP for one in evaluations]
    assert row["mean"] == f"{sum(maps) / 3:.2f}"
    assert row["spread"] == f"{100 * scores.spread.mAP:.2f}" != "0.00"


def test_splits_are_numbers() -> None:
    def asked(split: str | None) -> int | None:
        return EvalLine(split=split).split_number

    assert (asked(None), asked("7")) == (None, 7)
    for text in ("-1", "first", "1.5"):
        with pytest.raises(UserError, match="neither a number nor all"):
            asked(text)
