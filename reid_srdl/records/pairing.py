"""Whether two results may be compared: the same queries, the same rules.

Results by different rules (who counts, how queries without a match enter) are refused: their
difference would mix the networks' with the rules'. Another distance, normalisation or pooling is
only warned of: how features are read may be just what is to be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reid_srdl.config.tree import spelled
from reid_srdl.errors import UserError
from reid_srdl.records.per_query import Side
from reid_srdl.records.queries import QueryScores

_DIGITS = 8  # of a digest in a message
_SAME = "evaluate both on the same queries, in the same order"


def check_pair(a: Side, b: Side) -> tuple[str, ...]:
    """Checks that two results can be paired query by query.

    Returns:
        Warnings, a line each.

    Raises:
        UserError: other data sets, rules or queries; the first difference is named.
    """
    if a.content and b.content and a.content != b.content:
        raise UserError(
            f"A and B were judged on other test images ({a.content[:_DIGITS]} and "
            f"{b.content[:_DIGITS]}), whatever these are called",
            "evaluate both on the same files: reid-srdl eval RUN --data-dir DIR --per-query FILE",
        )
    known = a.labels is not None and b.labels is not None
    if not known and a.dataset and b.dataset and a.dataset != b.dataset:
        raise UserError(f"A is of {a.dataset}, B of {b.dataset}: other queries", _SAME)
    told = [*_rule_warnings(a, b), *_departures(a, b)]
    if a.train and b.train and a.train != b.train:
        told.append("trained on other data: the difference is also the data's")
    told += _check_queries("single", a.single, b.single)
    if a.multi is not None and b.multi is not None:
        told += _check_queries("multi", a.multi, b.multi)
    elif a.multi is not None or b.multi is not None:
        told.append(f"multi-query results are in {'A' if a.multi else 'B'} only: not compared")
    if known and a.labels != b.labels:
        raise UserError(
            "A and B searched other images: the galleries' identities or cameras differ", _SAME
        )
    return tuple(told)


def _rule_warnings(a: Side, b: Side) -> Iterator[str]:
    if a.protocol is None or b.protocol is None:
        unnamed = [side for side, one in (("A", a), ("B", b)) if one.protocol is None]
        yield f"{' and '.join(unnamed)}: rules not named, taken to be the same"
        return
    ours, theirs = a.protocol, b.protocol
    if ours.rules != theirs.rules:
        raise UserError(
            f"A follows the rules of {ours.rules!r}, B of {theirs.rules!r}: their scores mean "
            "different things",
            "evaluate both with the same --rules",
        )
    if ours.same_camera != theirs.same_camera:
        told = {"ignore": "leaves out matches of the query's own camera", "keep": "counts them"}
        raise UserError(
            f"A {told[ours.same_camera]}, B {told[theirs.same_camera]}: their scores mean "
            "different things",
            "evaluate both with the same --same-camera",
        )
    if "single-shot" in (ours.gallery, theirs.gallery):
        raise UserError(
            "single-shot results are means over random galleries: their queries have no one rank "
            "to pair",
            "compare evaluations of the whole gallery (--gallery all)",
        )
    for key in ("distance", "normalize", "pooling"):
        one, other = getattr(ours, key), getattr(theirs, key)
        if one != other:
            yield f"evaluated differently: {key} is {spelled(one)} in A, {spelled(other)} in B"


def _departures(a: Side, b: Side) -> Iterator[str]:
    for key in dict.fromkeys((*a.departures, *b.departures)):
        one, other = (side.departures.get(key) for side in (a, b))
        if one != other and {one, other} != {None, "none"}:
            told = (one or "not named", other or "not named")
            yield f"evaluated differently: {key} is {told[0]} in A, {told[1]} in B"


def _check_queries(kind: str, a: QueryScores, b: QueryScores) -> Iterator[str]:
    if len(a) != len(b):
        raise UserError(f"A has {len(a)} {kind}-queries, B has {len(b)}", _SAME)
    known = [key for key in ("names", "pids", "camids") if _both(a, b, key)]
    for key in known:
        _check_equal(kind, key.removesuffix("s"), getattr(a, key), getattr(b, key))
    left_out = ([ap is None for ap in one.ap] for one in (a, b))
    _check_equal(kind, "left out", *left_out)
    if not known:
        yield f"{kind}-queries not named in both: paired by their order alone"


def _both(a: QueryScores, b: QueryScores, key: str) -> bool:
    return getattr(a, key) is not None and getattr(b, key) is not None


def _check_equal(kind: str, what: str, a: Sequence[Any], b: Sequence[Any]) -> None:
    for position, (one, other) in enumerate(zip(a, b, strict=True)):
        if one != other:
            place = f"{kind}-query {position} (counted from 0)"
            raise UserError(f"{place} differs: {what} {one} in A, {other} in B", _SAME)
