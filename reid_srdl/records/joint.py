"""A run that was trained on a joint set, as seen from each of the sets that it is judged on."""

from __future__ import annotations

from reid_srdl.errors import UserError
from reid_srdl.records.facts import DatasetFacts
from reid_srdl.records.run import RunRecord


def by_set(record: RunRecord) -> tuple[RunRecord, ...]:
    """Returns a record for each set that a run is judged on; of a set that is not joint the record.

    Each says of the data set what it holds for testing, and of training what all sets hold.
    """
    return tuple(
        record.model_copy(
            update={
                "dataset": _trained_on_all(part, record.dataset),
                "evaluations": tuple(
                    one for one in record.evaluations if one.data.name == part.name
                ),
            }
        )
        for part in record.dataset.parts
    ) or (record,)


def on_set(record: RunRecord, where: str, name: str | None) -> RunRecord:
    """Returns a run's record as seen from one set.

    Args:
        record: the run's.
        where: what messages call it.
        name: the set's; None: the run's own, where it is judged on one alone.

    Raises:
        UserError: it is judged on several and none is named, or on none of this name.
    """
    sets = {own.dataset.name: own for own in by_set(record)}
    known = ", ".join(sets)
    if name is None and len(sets) > 1:
        raise UserError(
            f"{where}: judged on {known}", "choose one of them by --dataset NAME", usage=True
        )
    if name is not None and name not in sets:
        raise UserError(f"{where}: not judged on {name}", f"it is judged on {known}", usage=True)
    return next(iter(sets.values())) if name is None else sets[name]


def _trained_on_all(part: DatasetFacts, whole: DatasetFacts) -> DatasetFacts:
    content = part.content
    if content is not None and whole.content is not None:
        told = {"train": whole.content.train, "classes": whole.content.classes}
        content = content.model_copy(update=told)
    told_too = {"images": whole.images, "identities": whole.identities, "content": content}
    return part.model_copy(update=told_too)
