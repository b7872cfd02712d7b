"""An imported network as tables and comparisons see it: by its later evaluations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.records.evaluated import Evaluated
from reid_srdl.records.facts import DatasetFacts
from reid_srdl.records.later import read_later
from reid_srdl.records.run import ImportedRecord


def with_evaluations(folder: Path, record: ImportedRecord) -> ImportedRecord:
    """Returns the record of an imported network with its later evaluations, the newest last.

    Means over several splits are left out: a table has a row for one division.

    Raises:
        UserError: one of their files is damaged.
    """
    files = sorted((folder / "evaluations").glob("*.json"))
    later = sorted(map(read_later, files), key=lambda one: one.created)
    found = tuple(one.evaluations[0] for one in later if len(one.evaluations) == 1)
    return record.model_copy(update={"evaluations": found}) if found else record


def by_evaluation(record: ImportedRecord) -> Iterator[ImportedRecord]:
    """Yields a record for each evaluation that has a result, on its own data set."""
    for one in record.evaluations:
        if one.result is not None:
            update = {"evaluations": (one,), "dataset": _facts(one, record)}
            yield record.model_copy(update=update)


def on_data(record: ImportedRecord, where: str, name: str | None) -> ImportedRecord:
    """Returns an imported network's record as seen from one data set: its newest evaluation there.

    Args:
        record: with its evaluations.
        where: what messages call it.
        name: the set's; None: the one that there is.

    Raises:
        UserError: it was evaluated on none, or on several and none is named.
    """
    sets = {own.dataset.name: own for own in by_evaluation(record)}
    known = ", ".join(sets)
    if not sets:
        raise UserError(f"{where}: not evaluated yet", f"reid-srdl eval {where} --dataset NAME")
    if name is None and len(sets) > 1:
        raise UserError(
            f"{where}: judged on {known}", "choose one of them by --dataset NAME", usage=True
        )
    if name is not None and name not in sets:
        raise UserError(f"{where}: not judged on {name}", f"it is judged on {known}", usage=True)
    return next(iter(sets.values())) if name is None else sets[name]


def _facts(one: Evaluated, record: ImportedRecord) -> DatasetFacts:
    data = one.data
    if data.task == "classification":
        classes = record.imported.classes
        return DatasetFacts(name=data.name, task=data.task, classes=classes, test=data.test)
    counts = {"query": data.query, "gallery": data.gallery, "boxes": data.boxes}
    return DatasetFacts(name=data.name, labels=data.labels, **counts)
