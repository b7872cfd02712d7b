"""One evaluation: queries, their ranks in a gallery, and the scores that follow.

`queries` says who is searched for, `galleries` where, `ranks` finds the ranks of all matches, and
`scores` averages. The same four serve whole, drawn and streamed galleries, one process or many.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation.agreement import check_same
from reid_srdl.evaluation.by_camera import few_cameras
from reid_srdl.evaluation.camera_ranker import CameraRanker
from reid_srdl.evaluation.cameras import check_cameras, with_cameras
from reid_srdl.evaluation.exact import ExactRanker
from reid_srdl.evaluation.galleries import Gallery, streamed, whole
from reid_srdl.evaluation.keeping import Ranked
from reid_srdl.evaluation.kept import keep as keep_top
from reid_srdl.evaluation.parts import (
    Counting,
    EngineName,
    Progress,
    Scored,
    engine_of,
    rules_of,
    unmatched,
    unmatched_boxes,
)
from reid_srdl.evaluation.queries import Queries, queries, score_of_none
from reid_srdl.evaluation.rank_lists import rank_lists
from reid_srdl.evaluation.single_shot import averaged
from reid_srdl.group.processes import Alone, Group
from reid_srdl.retrieval.counting.count import CountEngine
from reid_srdl.retrieval.features import Features, checked
from reid_srdl.retrieval.labels import joined_labels
from reid_srdl.retrieval.lists import Lister, RankList
from reid_srdl.retrieval.memory.mapped import is_mapped
from reid_srdl.retrieval.metrics import PerQuery
from reid_srdl.retrieval.ranks import Ranker
from reid_srdl.retrieval.result import Evaluation, Rules
from reid_srdl.retrieval.rows import joined
from reid_srdl.retrieval.streams.stretches import count_distractors, stretch_rows


def evaluate(
    features: Features,
    protocol: Protocol | None = None,
    *,
    engine: EngineName | Counting = "count",
    device: str = "cpu",
    progress: Progress | None = None,
    ranker: Lister | None = None,
    group: Group | None = None,
    keep: bool = False,
) -> Scored:
    """Evaluates features by the person re-identification protocol.

    Ranks are exact: they follow from the distances that `retrieval.counting.exact` defines,
    equal distances by gallery index, whatever the engine and the device.

    Args:
        features: queries, gallery and perhaps boxes; float16 or float32. A memory-mapped gallery is
            never in memory whole, with the engine ``count``.
        protocol: rules, distance, normalisation, pooling; None: our rules, raw Euclidean, mean
            pooling.
        engine: ``count`` counts over blocks of distances; ``faiss`` evaluates from FAISS's search;
            or an engine object.
        device: ``cpu``, or a torch device such as ``cuda``.
        progress: called with (pairs of query and gallery image done, pairs in all).
        ranker: ranks otherwise than exactly by distance (an approximate index, re-ranking, expanded
            queries), and says so in the result's rules; ``engine`` is not used then.
        group: the processes that share the gallery, each with all the features (see `processes`);
            all return the same.
        keep: keep the top of the ranking, too (in the first process; not of drawn galleries).

    Raises:
        UserError: the features cannot be evaluated, are not the same in all processes, or no query
            has a match.

    >>> from reid_srdl import FeatureSet
    >>> x, camera = np.eye(3, dtype=np.float32), np.array([1, 1, 1])
    >>> query, gallery = (FeatureSet(x, np.array([7, 8, 9]), camera + side) for side in (0, 1))
    >>> evaluate(Features(query, gallery)).evaluation.single_query.rank1
    1.0
    """
    protocol, group = protocol or Protocol(), group or Alone()
    if asked := _beyond(protocol, ranker):
        raise UserError(f"{asked}: evaluate ranks by distance", "use evaluate_by")
    counting = engine_of(engine, device)
    streams = _streams(
        features, protocol, group, ranker is None and isinstance(counting, CountEngine)
    )
    features = checked(features, mapped_values=not streams)
    check_same(features, group)
    labels = features.query.labels
    protocol = with_cameras(protocol, labels)
    if streams:
        if engine == "count":
            # One kernel, chosen for a stretch: memory must not depend on how many there are.
            counting = CountEngine(device, chosen_for=stretch_rows(features.gallery))
        gallery = streamed(features.gallery, protocol, counting, group, labels)
    else:
        exact = ExactRanker(counting)
        if keep and protocol.gallery == "all" and few_cameras(labels, features.gallery.labels):
            if isinstance(counting, CountEngine):  # one kernel for all cameras' parts
                counting = replace(counting, chosen_for=len(features.gallery))
            exact = CameraRanker(counting, score_of_none(protocol))
        gallery = whole(features.gallery, protocol, ranker or exact)
    check_cameras(labels, gallery.labels, protocol.same_camera)
    undecided = counting.undecided
    matches: list[Ranked] | None = None
    if keep and group.rank == 0 and gallery.shots is None:
        matches = []
    searched = queries(features, protocol, matches)
    found = ranks(searched, gallery, progress)
    rules = rules_of(
        protocol, gallery.ranker, labels, count_distractors(labels, features.gallery.pids)
    )
    evaluation, tables = scores(found, rules)
    here = [counting.undecided - undecided]
    if streams:  # of which each process reads its share
        here.append(gallery.directionless())
    shared = group.summed(np.array(here))
    nowhere = int(shared[1]) if streams else gallery.directionless()

    def lists(k: int) -> list[RankList]:
        if streams:  # which hold no whole gallery, and rank by the definition
            return rank_lists(features, protocol, k)
        return rank_lists(features, protocol, k, ranker, (gallery.rows, gallery.labels))

    kept = None
    if matches is not None:
        kept = keep_top(features, protocol, gallery, matches, score_of_none(protocol))
    zeros = sum(one.rows.directionless() for one in searched), nowhere
    return Scored(evaluation, *tables, int(shared[0]), lists, kept, directionless=zeros)


def _beyond(protocol: Protocol, ranker: Ranker | None) -> str:
    """Names what a protocol asks for that `evaluate` does not do by itself."""
    asked = {
        "an index": protocol.index is not None,
        "re-ranking": protocol.rerank.method != "none",
        "query expansion": protocol.expand.method != "none",
        "given distances": protocol.distance == "given",
    }
    return "" if ranker else " and ".join(what for what, given in asked.items() if given)


def _streams(features: Features, protocol: Protocol, group: Group, counts: bool) -> bool:
    """Says whether the gallery is read a stretch at a time.

    Raises:
        UserError: several processes share it, and it cannot be.
    """
    counts = counts and protocol.gallery == "all"
    if group.size > 1 and not counts:
        raise UserError(
            "this way of ranking cannot be shared among processes",
            "use the engine count alone, or one process",
            usage=True,
        )
    return counts and (group.size > 1 or is_mapped(features.gallery.features))


def ranks(
    asked: list[Queries], gallery: Gallery, progress: Progress | None
) -> list[list[PerQuery]]:
    """Ranks the matches of all queries.

    Returns:
        For each trial a table of results for each set of queries.
    """
    tables = [[some.table() for some in asked] for _ in range(gallery.trials)]
    numbers = list(range(len(asked)))
    # In one go where that is the same: a gallery is read once then, and prepared once.
    for together in [numbers] if gallery.ranker.independent else [[one] for one in numbers]:
        _rank(asked, together, gallery, tables, progress)
    return tables


def _rank(
    asked: list[Queries],
    together: list[int],
    gallery: Gallery,
    tables: list[list[PerQuery]],
    progress: Progress | None,
) -> None:
    """Enters the ranks of some sets of queries into their tables."""
    rows = joined([asked[i].rows for i in together])
    labels = joined_labels([asked[i].labels for i in together])
    stops = np.cumsum([len(asked[i].rows) for i in together]).tolist()
    drawn = 0 if gallery.shots is None else gallery.shots.count(labels)
    for number, draw in enumerate(gallery.draws(labels), 1):
        own = draw.queries
        if own is None:
            runs = gallery.ranker.ranks(rows, labels, draw.rows, draw.labels, progress)
        elif len(draw.rows):
            there = draw.rows, draw.labels
            runs = gallery.ranker.ranks(rows.select(own), labels.take(own), *there)
        else:
            runs = iter(())
        for run in runs:
            placed = run if own is None else replace(run, query=own[run.query])
            for i, part in zip(together, placed.divided(stops), strict=True):
                table = tables[draw.trial][i]
                table.record(asked[i].places[part.query], part.ranks, part.offsets)
                if (matches := asked[i].matches) is not None:
                    matches.append(Ranked.of(part, gallery.positions))
        if progress and drawn:
            progress(number, drawn)


def scores(
    tables: list[list[PerQuery]], rules: Rules
) -> tuple[Evaluation, tuple[PerQuery, PerQuery | None]]:
    """Averages tables of results, of single queries and perhaps multi-queries, over trials.

    Raises:
        UserError: no query has a match.
    """
    for table, error in zip(tables[0], (unmatched, unmatched_boxes), strict=False):
        if not table.matched.any():
            raise error()
    (single, spread, table), *multi = (averaged(list(own)) for own in zip(*tables, strict=True))
    evaluation = Evaluation(
        single_query=single,
        multi_query=multi[0][0] if multi else None,
        protocol=rules,
        spread=None if rules.gallery == "all" else spread,
    )
    return evaluation, (table, multi[0][2] if multi else None)
