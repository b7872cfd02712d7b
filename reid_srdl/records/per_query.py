"""Per-query results to be compared: from a record, or a file of ``eval --per-query``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.config import Protocol, RulesName
from reid_srdl.errors import UserError
from reid_srdl.places import StrPath, as_path, check_no_pipe
from reid_srdl.records.imported import on_data, with_evaluations
from reid_srdl.records.joint import on_set
from reid_srdl.records.queries import QueryScores
from reid_srdl.records.run import FeaturesRecord, ImportedRecord, RunRecord
from reid_srdl.records.store import RECORD, read_any_record
from reid_srdl.retrieval.result import Evaluation

_PROTOCOL = ("rules", "distance", "normalize", "pooling", "same_camera", "gallery")
_DEPARTURES = ("index", "rerank", "expand")
_AGAIN = "write it again with reid-srdl eval --per-query"
_WHICH = "give a run's folder, or a .csv or .json of reid-srdl eval --per-query"


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        label: what tables call it, e.g. its path.
        single, multi: single- and multi-query results; multi None where there are none.
        protocol: the rules they follow; None where they are not known.
        departures: what sets the ranks apart from exact ones, see `Protocol.departures`, where it
            is known.
        dataset: the data set's name where it is known.
        labels: digest of the test images' identities and cameras where it is known.
        content: digest of the test images themselves where it is known.
        train: digest of what the network was trained on where it is known.
    """

    label: str
    single: QueryScores
    multi: QueryScores | None = None
    protocol: Protocol | None = None
    dataset: str | None = None
    labels: str | None = None
    content: str | None = None
    train: str | None = None
    departures: Mapping[str, str] = field(default_factory=dict)


def read_results(path: StrPath, dataset: str | None = None) -> Side:
    """Reads the per-query results of a record (its result) or of a file.

    Args:
        path: a run's folder, its record, or a file.
        dataset: of a run that is judged on several sets: on which.

    Raises:
        UserError: there is nothing to read, it is damaged, or it holds no per-query results.

    >>> len(read_results("runs/small").single)  # doctest: +SKIP
    12
    """
    path = as_path(path)
    if path.is_dir() or path.name == RECORD:
        return _of_record(path, dataset)
    if not path.exists():
        raise UserError(f"{path}: no such run or file", _WHICH)
    if path.suffix not in (".csv", ".json"):
        raise UserError(f"{path}: neither a run nor per-query results", _WHICH, usage=True)
    check_no_pipe(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise UserError(f"{path}: {reason}", _WHICH) from None
    return _of_rows(path, _csv_rows(text) if path.suffix == ".csv" else _json_rows(path, text))


def _of_record(path: Path, dataset: str | None) -> Side:
    record = read_any_record(path)
    if isinstance(record, RunRecord):
        record = on_set(record, str(path), dataset)
    if isinstance(record, ImportedRecord):
        folder = path.parent if path.name == RECORD else path
        record = on_data(with_evaluations(folder, record), str(path), dataset)
    found = record.evaluations[0]
    if isinstance(found.result, ClassScores):
        raise UserError(
            f"{path}: judged on classes; results are compared query by query",
            "see the runs side by side by reid-srdl leaderboard",
        )
    if found.per_query is None or not isinstance(found.result, Evaluation):
        raise UserError(
            f"{path}: its record holds no per-query results",
            "compare files of reid-srdl eval RUN --per-query FILE",
        )
    protocol = found.result.protocol.model_dump(include=set(_PROTOCOL))
    trained_on = record.dataset.content
    return Side(
        str(path),
        found.per_query.single_query,
        found.per_query.multi_query,
        Protocol.model_validate(protocol),
        None if isinstance(record, FeaturesRecord) else record.dataset.name,
        found.data.labels,
        found.data.content,
        None if trained_on is None else trained_on.train,
        found.result.protocol.departures(),
    )


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    mode: Literal["single", "multi"]
    ap: float | None = Field(ge=0, le=1)
    ap_trapezoid: float | None = Field(ge=0, le=1)
    first_rank: int | None = Field(ge=1)
    inp: float | None = Field(None, ge=0, le=1)
    pid: int | None = None
    camid: int | None = None
    name: str | None = None
    rules: RulesName | None = None
    distance: Literal["euclidean", "cosine", "given"] | None = None
    normalize: bool | None = None
    pooling: Literal["mean", "max"] | None = None
    same_camera: Literal["ignore", "keep"] = "ignore"  # as others' files mean it
    gallery: Literal["all", "single-shot"] | None = None
    index: str | None = None
    rerank: str | None = None
    expand: str | None = None
    labels: str | None = None
    content: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> _Row:
        if (self.ap is None) != (self.ap_trapezoid is None):
            raise ValueError("ap and ap_trapezoid: one is there without the other")
        if (self.first_rank is None) != (not self.ap):
            raise ValueError("ap and first_rank: one is there without the other")
        return self


_ROWS = TypeAdapter(list[_Row])


def _csv_rows(text: str) -> list[dict[str, Any]]:
    rows = csv.DictReader(io.StringIO(text))
    return [{key: value or None for key, value in row.items() if key} for row in rows]


def _json_rows(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not valid JSON", _AGAIN) from None
    if not isinstance(rows, list):
        raise UserError(f"{path}: no list of per-query results", _WHICH)
    return rows


def _of_rows(path: Path, plain: list[dict[str, Any]]) -> Side:
    try:
        rows = _ROWS.validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = ", ".join(str(part) for part in first["loc"][1:])
        row = int(first["loc"][0]) + 1
        told = f"{where}: {first['msg']}" if where else first["msg"]
        raise UserError(f"{path}: result {row}: {told}", _AGAIN) from None
    kinds = {mode: [row for row in rows if row.mode == mode] for mode in ("single", "multi")}
    if not kinds["single"]:
        raise UserError(f"{path}: holds no single-query results", _WHICH)
    multi = _gathered(kinds["multi"]) if kinds["multi"] else None
    _check_one(path, rows)
    return Side(
        str(path),
        _gathered(kinds["single"]),
        multi,
        _protocol(rows[0]),
        labels=rows[0].labels,
        content=rows[0].content,
        departures={key: told for key in _DEPARTURES if (told := getattr(rows[0], key))},
    )


def _check_one(path: Path, rows: Sequence[_Row]) -> None:
    for keys, what, hint in (
        ((*_PROTOCOL, *_DEPARTURES), "by different rules", "keep one file per evaluation"),
        (("labels", "content"), "of different test images", "keep one file per test set"),
    ):
        if len({tuple(getattr(row, key) for key in keys) for row in rows}) > 1:
            raise UserError(f"{path}: holds results {what}", hint)


def _gathered(rows: Sequence[_Row]) -> QueryScores:
    aps, inps = [row.ap for row in rows], [row.inp for row in rows]
    # INP is known where every scored query has it.
    whole = all((inp is None) == (ap is None) for inp, ap in zip(inps, aps, strict=True))
    pids, camids, names = ([getattr(row, key) for row in rows] for key in ("pid", "camid", "name"))
    return QueryScores(
        ap=tuple(aps),
        ap_trapezoid=tuple(row.ap_trapezoid for row in rows),
        first_rank=tuple(row.first_rank for row in rows),
        inp=tuple(inps) if whole else None,
        pids=None if None in pids else tuple(pids),
        camids=None if None in camids else tuple(camids),
        names=None if None in names else tuple(names),
    )


def _protocol(row: _Row) -> Protocol | None:
    values: Mapping[str, Any] = {key: getattr(row, key) for key in _PROTOCOL}
    return None if None in values.values() else Protocol.model_validate(values)
