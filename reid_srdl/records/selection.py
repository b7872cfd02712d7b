"""Which records a leaderboard is made of, by settings: ``model=resnet50``, ``optim.lr=0.05``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.records.naming import flatten, show
from reid_srdl.records.run import AnyRecord, FeaturesRecord, RunRecord


def selected(records: Sequence[AnyRecord], wishes: Sequence[str]) -> list[AnyRecord]:
    """Returns the records that meet all wishes.

    Args:
        records: of runs and of what others made.
        wishes: KEY=VALUE each: a key of the configuration, or ``dataset``, ``model``, ``method``,
            ``seed`` or ``name``; the value as ``--set`` takes it.

    Raises:
        UserError: not of this form, a key that no record has, or nothing meets them.
    """
    facts = [_facts(record) for record in records]
    known = {key for own in facts for key in own}
    kept = list(range(len(records)))
    for wish in wishes:
        key, equals, value = wish.partition("=")
        if not equals or not key:
            hint = "write --where model=resnet50"
            raise UserError(f"--where {wish}: not KEY=VALUE", hint, usage=True)
        if key not in known:
            raise UserError(f"--where {wish}: no such key", did_you_mean(key, known), usage=True)
        kept = [number for number in kept if facts[number].get(key) == value]
        if not kept:
            there = sorted({own[key] for own in facts if key in own})
            hint = f"there is {', '.join(there[:10])}{' ...' if len(there) > 10 else ''}"
            raise UserError(f"--where {wish}: no run is so", hint)
    return [records[number] for number in kept]


def _facts(record: AnyRecord) -> dict[str, str]:
    """Returns a record's settings as texts, with short names of those that are asked for most."""
    found: dict[str, Any] = {key: show(value) for key, value in flatten(record.config).items()}
    found |= {"dataset": record.dataset.name, "name": record.name}
    if not isinstance(record, FeaturesRecord):
        found["model"] = record.model
    if isinstance(record, RunRecord):
        found |= {"method": record.method.name, "seed": str(record.seed)}
    return found
