"""Per-query results to be compared: from a run's record, or a file of ``eval --per-query``."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from reid_srdl.config import RulesName
from reid_srdl.errors import UserError
from reid_srdl.records.run import QueryScores
from reid_srdl.records.store import RECORD, read_record
from reid_srdl.retrieval.result import Evaluation, Protocol

_PROTOCOL = ("rules", "distance", "normalize", "pooling", "gallery")
_AGAIN = "write it again with reid-srdl eval --per-query"
_WHICH = "give a run's folder, or a .csv or .json of reid-srdl eval --per-query"


@dataclass(frozen=True)
class QueryResults:
    """Results of Q queries.

    Attributes:
        ap, ap_trapezoid: Q fractions; NaN for a query that is left out of the scores.
        inp: the same, n / r_n; None where it is not known.
        first_rank: Q ranks from 1; 0 for a query without a match.
        pids, camids, names: who the queries are, as far as that is known.
    """

    ap: NDArray[np.float64]
    ap_trapezoid: NDArray[np.float64]
    inp: NDArray[np.float64] | None
    first_rank: NDArray[np.int64]
    pids: NDArray[np.int64] | None = None
    camids: NDArray[np.int64] | None = None
    names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.ap)


@dataclass(frozen=True)
class Results:
    """One side of a comparison.

    Attributes:
        label: what tables call it, e.g. its path.
        single, multi: single- and multi-query results; multi None where there are none.
        protocol: the rules they follow; None where they are not known.
        dataset: the data set's name where it is known.
    """

    label: str
    single: QueryResults
    multi: QueryResults | None = None
    protocol: Protocol | None = None
    dataset: str | None = None


def read_results(path: Path) -> Results:
    """Reads the per-query results of a run (its record; the run's result) or of a file.

    Raises:
        UserError: there is nothing to read, it is damaged, or it holds no per-query results.
    """
    if path.is_dir() or path.name == RECORD:
        return _of_run(path)
    if not path.exists():
        raise UserError(f"{path}: no such run or file", _WHICH)
    if path.suffix not in (".csv", ".json"):
        raise UserError(f"{path}: neither a run nor per-query results", _WHICH, usage=True)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise UserError(f"{path}: {reason}", _WHICH) from None
    return _of_rows(path, _csv_rows(text) if path.suffix == ".csv" else _json_rows(path, text))


def _of_run(path: Path) -> Results:
    record = read_record(path)
    name = next(iter(record.results))
    found, evaluation = record.per_query.get(name), record.result
    if found is None or not isinstance(evaluation, Evaluation):
        raise UserError(
            f"{path}: its record holds no per-query results",
            "compare files of reid-srdl eval RUN --per-query FILE",
        )
    protocol = evaluation.protocol.model_dump(include=set(_PROTOCOL))
    return Results(
        str(path),
        _of_scores(found.single_query),
        _of_scores(found.multi_query) if found.multi_query else None,
        Protocol.model_validate(protocol),
        record.dataset.name,
    )


def _of_scores(scores: QueryScores) -> QueryResults:
    return QueryResults(
        _floats(scores.ap),
        _floats(scores.ap_trapezoid),
        None if scores.inp is None else _floats(scores.inp),
        np.array([rank or 0 for rank in scores.first_rank], np.int64),
        None if scores.pids is None else np.array(scores.pids, np.int64),
        None if scores.camids is None else np.array(scores.camids, np.int64),
        scores.names,
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
    distance: Literal["euclidean", "cosine"] | None = None
    normalize: bool | None = None
    pooling: Literal["mean", "max"] | None = None
    gallery: Literal["all", "single-shot"] = "all"  # older files do not tell

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


def _of_rows(path: Path, plain: list[dict[str, Any]]) -> Results:
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
    return Results(str(path), _gathered(kinds["single"]), multi, _protocol(path, rows))


def _gathered(rows: Sequence[_Row]) -> QueryResults:
    known = {
        key: [getattr(row, key) for row in rows] for key in ("inp", "pid", "camid", "name", "ap")
    }
    # INP is known where every scored query has it.
    pairs = zip(known["inp"], known["ap"], strict=True)
    whole = all((inp is None) == (ap is None) for inp, ap in pairs)
    pids, camids, names = (
        None if None in known[key] else known[key] for key in ("pid", "camid", "name")
    )
    return QueryResults(
        _floats(known["ap"]),
        _floats([row.ap_trapezoid for row in rows]),
        _floats(known["inp"]) if whole else None,
        np.array([row.first_rank or 0 for row in rows], np.int64),
        None if pids is None else np.array(pids, np.int64),
        None if camids is None else np.array(camids, np.int64),
        None if names is None else tuple(names),
    )


def _protocol(path: Path, rows: Sequence[_Row]) -> Protocol | None:
    told = {tuple(getattr(row, key) for key in _PROTOCOL) for row in rows}
    if len(told) > 1:
        raise UserError(f"{path}: holds results by different rules", "keep one file per evaluation")
    values: Mapping[str, Any] = dict(zip(_PROTOCOL, told.pop(), strict=True))
    return None if None in values.values() else Protocol.model_validate(values)


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([math.nan if value is None else value for value in values], np.float64)
