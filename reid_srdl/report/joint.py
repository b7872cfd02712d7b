"""What a run on a joint set came to on each of its sets, as one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reid_srdl.report.evaluation import rule_notes
from reid_srdl.report.tables import Column, Row, Table
from reid_srdl.retrieval.result import Evaluation, Scores

_SCORES = (("Rank-1", "rank1"), ("Rank-5", "rank5"), ("mAP", "mAP"), ("mINP", "mINP"))
Judged = tuple[str, str, Evaluation]  # a data set, a network, and its result
_KINDS = (("single", "single_query"), ("multi", "multi_query"))


def joint_table(found: Sequence[Judged], title: str) -> Table:
    """Returns a row for each network on each set; multi-query where a set has boxes.

    Sets whose rules differ are told apart by the notes below.
    """
    kinds = [kind for kind in _KINDS if any(getattr(result, kind[1]) for *_, result in found)]
    columns = (
        Column("set", "data set"),
        Column("network", "network"),
        *(
            Column(f"{kind}_{key}", label, "number", group=kind)
            for kind, _ in kinds
            for label, key in _SCORES
        ),
        Column("queries", "queries", "number"),
    )
    rows = tuple(Row(_values(*one)) for one in found)
    return Table(f"{title}, each by itself, %", columns, rows, tuple(_notes(found)))


def _values(dataset: str, network: str, result: Evaluation) -> dict[str, str]:
    values = {"set": dataset, "network": network}
    for kind, attribute in _KINDS:
        scores: Scores | None = getattr(result, attribute)
        if scores is not None:
            values |= {f"{kind}_{key}": f"{100 * getattr(scores, key):.2f}" for _, key in _SCORES}
    return values | {"queries": f"{result.single_query.queries:,}"}


def _notes(found: Sequence[Judged]) -> Iterator[str]:
    """Yields the rules; those that are not of every set with the names of theirs."""
    rules = {dataset: _rules(result) for dataset, _, result in found}
    for line in dict.fromkeys(line for lines in rules.values() for line in lines):
        names = [name for name, lines in rules.items() if line in lines]
        yield line if len(names) == len(rules) else f"{', '.join(names)}: {line}"


def _rules(result: Evaluation) -> tuple[str, ...]:
    both = (result.single_query, result.multi_query)
    return rule_notes(result.protocol, *(one for one in both if one is not None))
