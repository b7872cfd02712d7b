"""Rows of networks that were not trained here, and of features that were not made here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reid_srdl.records.board import Row
from reid_srdl.records.metrics import METRICS, score_of
from reid_srdl.records.naming import differing_keys, flatten, tell
from reid_srdl.records.run import AnyRecord, FeaturesRecord, ImportedRecord, RunRecord
from reid_srdl.records.statistics import measure

ForeignRecord = FeaturesRecord | ImportedRecord


def foreign_rows(foreign: Sequence[ForeignRecord], runs: Sequence[RunRecord]) -> Iterator[Row]:
    """Yields a row for each record, by data set and name.

    Features of the same identities and cameras as a run's test images stand in that run's table.
    Settings that differ from others' of the table stand in the label.

    Args:
        foreign: the records, each of one evaluation.
        runs: those of runs that were trained here.
    """
    named = {run.dataset.labels: run.dataset.name for run in runs if run.dataset.labels}
    tables: dict[str, list[ForeignRecord]] = defaultdict(list)
    for record in foreign:
        tables[named.get(record.dataset.labels or "", record.dataset.name)].append(record)
    for name, records in sorted(tables.items()):
        beside = [run for run in runs if run.dataset.name == name]
        settings = [_setting(record) for record in records]
        keys = differing_keys([*settings, *(_same_keys(run, settings[0]) for run in beside)])
        for record in sorted(records, key=lambda one: one.name):
            yield _row(record, name, tell(_setting(record), keys))


def _setting(record: AnyRecord) -> dict[str, Any]:
    return flatten({"eval": record.evaluations[0].settings})


def _same_keys(record: AnyRecord, like: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in _setting(record).items() if key in like}


def _row(record: ForeignRecord, dataset: str, apart: str) -> Row:
    scores = {metric: score_of(record.result, metric) for metric in METRICS[record.dataset.task]}
    return Row(
        dataset=record.dataset.model_copy(update={"name": dataset}),
        network=record.name,
        method=None,
        label=f"[{apart}]" if apart else "",
        experiment=record.experiment,
        runs=(record.name,),
        seeds=(),
        parameters=record.parameters,
        epochs=None,
        trcost=None,
        work=None,
        scores={
            metric: None if score is None else measure([score]) for metric, score in scores.items()
        },
    )
