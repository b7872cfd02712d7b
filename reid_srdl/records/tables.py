"""Per-query results and rank lists as files: CSV or JSON, by the name's suffix.

Images' names may hold anything that a file's name may: bytes that are not UTF-8 and control
characters are written as backslash escapes, and no cell of a CSV file is taken for a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.files import write_text
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.lists import RankList
from reid_srdl.retrieval.metrics import PerQuery
from reid_srdl.retrieval.ranks import UNRETRIEVED
from reid_srdl.texts import csv_cell, json_text, plain

Row = dict[str, Any]

_PROTOCOL = {"rules", "distance", "normalize", "pooling", "same_camera", "gallery"}


def check_suffix(path: Path) -> None:
    """Refuses names that say neither .csv nor .json.

    Raises:
        UserError: so.
    """
    if path.suffix not in (".csv", ".json"):
        raise UserError(
            f"{path}: neither .csv nor .json", "end the name in one of them", usage=True
        )


def write_per_query(
    path: Path,
    single: PerQuery,
    multi: PerQuery | None = None,
    protocol: Protocol | None = None,
    *,
    labels: str | None = None,
    content: str | None = None,
) -> None:
    """Writes AP, INP and first rank of each query, and the protocol, so that files can be compared.

    Columns: mode (single or multi), query (its position), name, pid, camid, ap, ap_trapezoid, inp,
    first_rank, the protocol's rules, distance, normalize, pooling, same_camera, gallery, index,
    rerank, expand, and the digests of the test set's labels and of its images where they are known.
    Single-shot values are means over trials, and first_rank is a median. Queries without a match
    have no first rank (empty, or null), and no values where the rules leave them out; those of
    which no match was retrieved have no first rank.
    """
    told: Row = {}
    if protocol is not None:
        told = protocol.model_dump(include=_PROTOCOL) | protocol.departures()
    told |= {"labels": labels, "content": content}
    rows = list(_query_rows("single", single, told))
    if multi is not None:
        rows += _query_rows("multi", multi, told)
    _write(path, rows)


def write_rank_lists(path: Path, features: Features, lists: Sequence[RankList]) -> None:
    """Writes one row per query and list place.

    Columns: query, query_name, query_pid, query_camid, rank (from 1), gallery (its position),
    gallery_name, gallery_pid, gallery_camid, distance, measure (which distance: that which the
    scores were ranked by), match.
    """
    _write(path, list(_list_rows(features, lists)))


def _query_rows(mode: str, results: PerQuery, protocol: Row) -> Iterator[Row]:
    scored = results.scored
    for query in range(len(results)):
        row: Row = {
            "mode": mode,
            "query": query,
            "name": None if results.names is None else plain(results.names[query]),
            "pid": int(results.pids[query]),
            "camid": int(results.camids[query]),
        }
        for key in ("ap", "ap_trapezoid", "inp"):
            row[key] = float(getattr(results, key)[query]) if scored[query] else None
        first = int(results.first_rank[query])
        row["first_rank"] = first if first not in (0, UNRETRIEVED) else None
        yield {**row, **protocol}


def _list_rows(features: Features, lists: Sequence[RankList]) -> Iterator[Row]:
    for found in lists:
        query = _image("query", features.query, found.query)
        places = zip(found.gallery, found.distances, found.match, strict=True)
        for rank, (position, distance, match) in enumerate(places, 1):
            image = _image("gallery", features.gallery, int(position))
            told = {"distance": float(distance), "measure": found.measure, "match": bool(match)}
            yield {**query, "rank": rank, **image, **told}


def _image(kind: str, part: FeatureSet, position: int) -> Row:
    return {
        kind: position,
        f"{kind}_name": None if part.names is None else plain(part.names[position]),
        f"{kind}_pid": int(part.pids[position]),
        f"{kind}_camid": int(part.camids[position]),
    }


def _write(path: Path, rows: Sequence[Row]) -> None:
    check_suffix(path)
    if path.suffix == ".json":
        lines = ",\n".join(json_text(row, indent=None) for row in rows)
        write_text(path, f"[\n{lines}\n]\n")
        return
    text = io.StringIO()
    table = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    table.writeheader()
    table.writerows({key: csv_cell(value) for key, value in row.items()} for row in rows)
    write_text(path, text.getvalue())
