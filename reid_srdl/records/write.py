"""Records as JSON that people can read: one key a line, but each per-query array on one line."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from reid_srdl.records.evaluated import Evaluated, EvaluationsRecord
from reid_srdl.records.part import RecordPart
from reid_srdl.seals import write_sealed


def write_evaluations(path: Path, record: EvaluationsRecord) -> None:
    """Writes a record, its evaluations last, whole or not at all, with its checksum.

    One file holds everything, so that a reader never pairs scores with another's per-query results.
    """
    items = ",\n".join(textwrap.indent(_evaluation(one), "    ") for one in record.evaluations)
    head = _without(record, "evaluations")
    write_sealed(path, f'{head},\n  "evaluations": [\n{items}\n  ]\n}}\n')


def _evaluation(one: Evaluated) -> str:
    queries = "null" if one.per_query is None else one.per_query.model_dump_json()
    return f'{_without(one, "per_query")},\n  "per_query": {queries}\n}}'


def _without(part: RecordPart, key: str) -> str:
    tree = part.model_dump(mode="json", exclude={key})
    text = json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False)
    return text.removesuffix("\n}")
