"""What the report knows of runs, gathered by the leaderboard's rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_srdl.records.board import Leaderboard, Row
from reid_srdl.records.evaluated import Evaluated
from reid_srdl.records.imported import by_evaluation
from reid_srdl.records.joint import by_set
from reid_srdl.records.run import AnyRecord, ImportedRecord, RunRecord
from reid_srdl.report.html.query_summary import QuerySummary, summary_of
from reid_srdl.retrieval.kept import KeptRanks
from reid_srdl.training.monitor import EpochRow


@dataclass(frozen=True)
class ReportRun:
    """A finished run.

    Attributes:
        folder: where it stands.
        record: its record, without the results of single queries.
        queries: what the page shows of these, by data set.
        epochs: reads its epochs, phase after phase; none where the file is not there.
        ranks: reads what its result's evaluation on a data set kept; None where nothing was.
        command: what trains it again; empty: nothing does.
    """

    folder: Path
    record: AnyRecord
    queries: Mapping[str, QuerySummary]
    epochs: Callable[[], tuple[EpochRow, ...]]
    ranks: Callable[[str], KeptRanks | None]
    command: str = ""

    def evaluated(self, dataset: str) -> Evaluated | None:
        """Returns its result's evaluation on a data set, of which a joint set has several."""
        return evaluated_on(self.record, dataset)


def evaluated_on(record: AnyRecord, dataset: str) -> Evaluated | None:
    """Returns the first evaluation on a data set, which is the result's."""
    return next((one for one in record.evaluations if one.data.name == dataset), None)


@dataclass(frozen=True)
class Entry:
    """A row of the leaderboard with the runs behind it, and their queries on its data set."""

    row: Row
    runs: tuple[ReportRun, ...]
    queries: tuple[QuerySummary, ...]

    @property
    def dataset(self) -> str:
        """What its runs were judged on."""
        return self.row.dataset.name

    @property
    def name(self) -> str:
        """How charts call it."""
        return f"{self.row.network} {self.row.label}".strip()


def entries(board: Leaderboard, runs: Sequence[ReportRun]) -> list[Entry]:
    """Returns the leaderboard's rows with their runs; other weights of a network are left out."""
    by_name: dict[tuple[str, str], list[ReportRun]] = {}
    for run in runs:
        by_name.setdefault((run.record.name, run.record.experiment), []).append(run)
    found = []
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    for row in board.rows:
        key = row.dataset.name, row.experiment, row.runs
        if key in seen:
            continue
        seen.add(key)
        own = [run for name in row.runs for run in by_name.get((name, row.experiment), ())]
        name = row.dataset.name
        asked = [run.queries[name] for run in own if name in run.queries]
        found.append(Entry(row, tuple(own), tuple(asked)))
    return found


def summaries(record: AnyRecord) -> dict[str, QuerySummary]:
    """Returns what became of the queries of a run's result, by data set."""
    several: Sequence[AnyRecord] = (record,)
    if isinstance(record, RunRecord):
        several = by_set(record)
    elif isinstance(record, ImportedRecord):
        several = tuple(by_evaluation(record))
    return {
        one.dataset.name: summary_of(one.evaluations[0].per_query.single_query)
        for one in several
        if one.evaluations and one.evaluations[0].per_query is not None
    }
