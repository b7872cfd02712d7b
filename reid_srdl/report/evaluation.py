"""An evaluation as a table for people, the rules that it followed below it."""

from __future__ import annotations

import numpy as np

from reid_srdl.evaluation import Scored
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.report.tables import Column, Row, Table
from reid_srdl.retrieval.labels import JUNK, Labels
from reid_srdl.retrieval.result import Evaluation, Rules, Scores, Spread

_LINES = (
    ("Rank-1", "rank1"),
    ("Rank-5", "rank5"),
    ("Rank-10", "rank10"),
    ("Rank-20", "rank20"),
    ("mAP", "mAP"),
    ("mAP (trapezoid)", "mAP_trapezoid"),
    ("mINP", "mINP"),
    ("queries", "queries"),
    ("skipped", "skipped"),
)


def evaluation_table(evaluation: Evaluation, title: str) -> Table:
    """Returns a column for single-query and, with hand-drawn boxes, one for multi-query.

    Percentages have two decimals: the two kinds of mAP may differ in the second one only.
    """
    kinds = {"single-query": evaluation.single_query, "multi-query": evaluation.multi_query}
    shown = {name: scores for name, scores in kinds.items() if scores is not None}
    spread = {} if evaluation.spread is None else evaluation.spread.model_dump()
    over = (Column("spread", "± over trials", "number"),) if spread else ()
    columns = (Column("score", "%"), *(Column(name, name, "number") for name in shown), *over)
    rows = tuple(
        Row(
            {
                "score": label,
                **{name: _text(scores, key) for name, scores in shown.items()},
                **({"spread": f"{100 * spread[key]:.2f}"} if key in spread else {}),
            }
        )
        for label, key in _LINES
    )
    return Table(title, columns, rows, rule_notes(evaluation.protocol, *shown.values()))


def splits_table(mean: Spread, spread: Spread, rules: Rules, title: str) -> Table:
    """Returns the means of scores over splits, and their standard deviations."""
    means, deviations = mean.model_dump(), spread.model_dump()
    columns = (
        Column("score", "%"),
        Column("mean", "mean", "number"),
        Column("spread", "± over splits", "number"),
    )
    rows = tuple(
        Row(
            {
                "score": label,
                "mean": f"{100 * means[key]:.2f}",
                "spread": f"{100 * deviations[key]:.2f}",
            }
        )
        for label, key in _LINES
        if key in means
    )
    return Table(title, columns, rows, rule_notes(rules, mean))


def rule_notes(rules: Rules, *results: Scores | Spread) -> tuple[str, ...]:
    """Returns what matters of the rules for these results, a line each.

    All of them stand in the record and in JSON. Where they are the usual ones, a line is left out
    that says nothing about these scores: of queries without a match where each has one, of two
    ways to take mAP where both print the same.

    Args:
        rules: as the evaluation followed them.
        results: single-query and, where there is one, multi-query.
    """
    foreign = rules.rules != "ours"
    usual = Rules()
    told = {
        f"rules of {rules.rules}": foreign,
        _distance_note(rules): True,
        f"multi-query boxes pooled by {rules.pooling}": len(results) > 1,
        rules.junk: foreign,
        rules.same_camera_note: foreign or rules.same_camera_note != usual.same_camera_note,
        rules.ties: foreign,
        rules.no_match: foreign or any(getattr(one, "skipped", 0) for one in results),
        rules.ap: foreign or any(_told_apart(one) for one in results),
        f"{rules.distractors:,} distractors (pid 0) in the gallery": rules.distractors > 0,
        **{f"not reproduced: {quirk}": True for quirk in rules.not_reproduced},
    }
    ways = (rules.single_shot, rules.index_note, rules.rerank_note, rules.expand_note)
    told |= {line: not line.startswith("none") for line in ways}
    return tuple(line for line, matters in told.items() if matters)


def _told_apart(result: Scores | Spread) -> bool:
    """Says whether the two kinds of mAP differ as they are printed."""
    return f"{100 * result.mAP:.2f}" != f"{100 * result.mAP_trapezoid:.2f}"


def _distance_note(rules: Rules) -> str:
    if rules.distance == "given":
        return "distances as they were given"
    return f"{rules.distance} distance of {'L2-normalised' if rules.normalize else 'raw'} features"


def evaluation_warnings(result: Scored, gallery: Labels) -> list[str]:
    """Returns a line for all that was left out, or counts by a foreign code's rules alone."""
    return [
        *skipped_warnings(result.evaluation),
        *zero_warnings(result),
        *rule_warnings(result, gallery),
        *chance_warnings(result, gallery),
    ]


def chance_warnings(result: Scored, gallery: Labels) -> list[str]:
    """Returns a line where given distances rank matches worse than chance does.

    In a drawn order the precision at each hit is n / G or more on average, for n matches of G.
    """
    protocol, single = result.evaluation.protocol, result.single
    if protocol.distance != "given" or result.evaluation.spread is not None:
        return []
    persons, count = np.unique(gallery.pids, return_counts=True)
    n = dict(zip(persons.tolist(), count.tolist(), strict=True))
    views, count = np.unique(
        np.stack([gallery.pids, gallery.camids], axis=1), axis=0, return_counts=True
    )
    own = dict(zip(map(tuple, views.tolist()), count.tolist(), strict=True))
    left_out = protocol.same_camera == "ignore"
    scored = single.scored
    asked = zip(single.pids[scored].tolist(), single.camids[scored].tolist(), strict=True)
    matches = [n.get(who, 0) - (own.get((who, cam), 0) if left_out else 0) for who, cam in asked]
    chance = float(np.mean(matches)) / len(gallery.pids)
    mean = float(np.mean(single.ap[scored]))
    if mean >= chance:
        return []
    return [
        f"mAP is {100 * mean:.2f} %, below the {100 * chance:.2f} % of a drawn order: matches "
        "stand far; if these are similarities, give distances, e.g. 1 - similarity"
    ]


def skipped_warnings(evaluation: Evaluation) -> list[str]:
    """Returns a line for each kind of query of which some were left out."""
    kinds = (
        ("queries", evaluation.single_query, "no match in the gallery"),
        ("multi-queries", evaluation.multi_query, "no boxes, or no match in the gallery"),
    )
    return [
        f"{scores.skipped} of {scores.queries + scores.skipped} {kind} left out: {why}"
        for kind, scores, why in kinds
        if scores is not None and scores.skipped
    ]


def zero_warnings(result: Scored) -> list[str]:
    """Returns a line where features are zeros and have no direction to compare."""
    counts = [
        f"{count:,} {what}"
        for count, what in zip(result.directionless, ("of queries", "of the gallery"), strict=True)
        if count
    ]
    if not counts:
        return []
    return [
        f"rows of zeros: {' and '.join(counts)}: they have no direction, so that a query of zeros "
        "ranks by gallery index, and an image of zeros is as far from all; extract these again"
    ]


def rule_warnings(result: Scored, gallery: Labels) -> list[str]:
    """Returns a line for what a foreign code's rules let count that ours would not."""
    rules = result.evaluation.protocol.rules
    convention, lines = CONVENTIONS[rules], []
    if convention.unmatched == "zero":
        for kind, results in (("queries", result.single), ("multi-queries", result.multi)):
            if results is not None and (zero := int((~results.matched).sum())):
                lines.append(f"{zero} of {len(results)} {kind} without a match count as 0")
    if not convention.junk_ignored and (junk := int((gallery.pids == JUNK).sum())):
        lines.append(
            f"{junk} gallery images of pid {JUNK} count as negatives: {rules} has no rule for them "
            "in its metric, it drops them when it lists files"
        )
    return lines


def _text(scores: Scores, key: str) -> str:
    value = getattr(scores, key)
    return f"{value:,}" if isinstance(value, int) else f"{100 * value:.2f}"
