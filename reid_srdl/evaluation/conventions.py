"""Whose rules an evaluation follows: ours, or those of the codes that published numbers came from.

All are expressed over the same counted ranks. They differ in who counts and in how queries without
a match enter the scores; what cannot be said in these terms is named, not imitated.

official: the MATLAB code of Market-1501 (Zheng et al., ICCV 2015; ``compute_AP.m``,
``evaluation.m`` of IDE-baseline-Market-1501). It normalises features, sums precision by trapezoids,
and divides by all queries: AP of a query without a match is 0 / 0, set to 0, and its CMC is 0.

torchreid 1.x (``torchreid/reid/metrics/rank.py``): ``eval_market1501`` knows no junk. Images of pid
-1 are dropped when a data set's files are listed; where features hold them all the same, -1 is an
identity like any other. Queries without a match are left out.

fastreid 1.x (``fastreid/evaluation/rank.py``, ``reid_evaluation.py``): the same metric with mINP,
on cosine distances unless its TEST.METRIC says otherwise.

Re-ranking and query expansion are no part of the metric. torchreid's engine hands squared distances
(or 1 - cos) to its ``re_ranking``, which squares them again: reproduced. It has no expansion.
fast-reid's releases do not agree on re-ranking (``evaluation/rerank.py`` squares what it is given;
its successor in ``utils/compute_dist.py`` has lists of k1 images that hold the image itself, weighs
by squared distances as they are, and adds lambda times the cosine distance as it is), and its
expansion (``evaluation/query_expansion.py``) changes gallery images too, by neighbours among both,
itself included: both refused, lest a number bear its name that it would not give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reid_srdl.config import RulesName


@dataclass(frozen=True)
class Convention:
    """What one code's rules are.

    Attributes:
        junk_ignored: gallery images of pid -1 count for nobody; else -1 is an identity.
        unmatched: how a query without a match enters the scores.
        mean_ap: the score that this code calls mAP.
        junk, ties, no_match, ap: the rules in words, as a result names them.
        not_reproduced: what that code does that this evaluation does not.
        single_shot: what its single-shot metric does that this one does not.
        rerank_power: to what power its re-ranking takes normalised distances, see `rerank`.
        no_rerank, no_expand: why its re-ranking or query expansion is refused; None: it is not.
    """

    junk_ignored: bool
    unmatched: Literal["left out", "zero"]
    mean_ap: Literal["mAP", "mAP_trapezoid"]
    junk: str
    ties: str
    no_match: str
    ap: str
    not_reproduced: tuple[str, ...] = ()
    single_shot: tuple[str, ...] = ()
    rerank_power: Literal[1, 2] = 1
    no_rerank: str | None = None
    no_expand: str | None = None

    def words(self) -> dict[str, str | tuple[str, ...]]:
        """Returns the fields of `result.Rules` that these rules set."""
        keys = ("junk", "ties", "no_match", "ap", "not_reproduced")
        return {key: getattr(self, key) for key in keys}


_AP = "mAP: mean of the precision at each hit; mAP_trapezoid: official Market-1501 area"
_TIES = "equal distances by gallery index"
_LEFT_OUT = "queries without a match are left out and counted in 'skipped'"
_ROUNDED = "float32 rounding of its distance matrix: distances here are exact"
_UNSTABLE = "equal distances in the order of NumPy's unstable argsort: here by gallery index"
_NO_MULTI = "it has no multi-query: multi-query scores here follow this project's pooling"

OF_FEATURES = (_ROUNDED, _NO_MULTI)  # nothing about given distances

_OWN_DRAWS = (
    "its single-shot metric (eval_cuhk03) draws other people's images from all cameras, anew for "
    "each query, 10 times, and its mAP is the whole gallery's: here galleries are drawn as in "
    "CUHK03's paper, for CMC and mAP alike"
)

_OFFICIAL = Convention(
    junk_ignored=True,
    unmatched="zero",
    mean_ap="mAP_trapezoid",
    junk="pid -1 ignored",
    ties="equal distances by gallery index (MATLAB's sort is stable)",
    no_match="queries without a match count as 0 in every score",
    ap="this code's mAP is mAP_trapezoid; mAP: mean of the precision at each hit",
    not_reproduced=(
        _ROUNDED,
        "multi-queries without boxes (features of NaN, ranked by gallery index): here they count "
        "as 0",
        "queries of pid -1, which it ranks among their own junk: here they have no match",
    ),
)

_TORCHREID = Convention(
    junk_ignored=False,
    unmatched="left out",
    mean_ap="mAP",
    junk="no rule for junk: pid -1, where features hold it, is an identity like any other",
    ties=_TIES,
    no_match=_LEFT_OUT,
    ap="this code's mAP is mAP, the mean of the precision at each hit; it has no mAP_trapezoid and "
    "no mINP",
    not_reproduced=(
        _UNSTABLE,
        _ROUNDED,
        "CMC where fewer gallery images count for a query than max-rank (50): its "
        "Python code fails where queries differ in that, its compiled code reads an earlier "
        "query's values; here CMC(k) stays the share of queries with a match up to k",
        _NO_MULTI,
    ),
    single_shot=(_OWN_DRAWS,),
    rerank_power=2,
    no_expand="torchreid has no query expansion",
)

_FASTREID = Convention(
    junk_ignored=False,
    unmatched="left out",
    mean_ap="mAP",
    junk=_TORCHREID.junk,
    ties=_TIES,
    no_match=_LEFT_OUT,
    ap="this code's mAP is mAP, the mean of the precision at each hit; it has no mAP_trapezoid",
    not_reproduced=(
        *_TORCHREID.not_reproduced[:3],
        "early versions' compiled code, which counts queries without a match as 0 in mAP and mINP "
        "but leaves them out of CMC: here they are left out of all, as in later versions",
        _NO_MULTI,
    ),
    single_shot=(_OWN_DRAWS,),
    no_rerank="its releases re-rank by different formulas, and none of them by this one",
    no_expand="its expansion changes gallery images too, and counts an image as its own neighbour",
)

CONVENTIONS: dict[RulesName, Convention] = {
    "ours": Convention(True, "left out", "mAP", "pid -1 ignored", _TIES, _LEFT_OUT, _AP),
    "official": _OFFICIAL,
    "torchreid": _TORCHREID,
    "fastreid": _FASTREID,
}
