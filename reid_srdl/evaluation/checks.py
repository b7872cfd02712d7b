"""What can be known before any feature: settings that contradict each other, labels too few.

Evaluation asks these itself; a job may ask them before it trains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_srdl.config import RulesName
from reid_srdl.errors import UserError
from reid_srdl.evaluation.cameras import SameCamera, as_ruled, check_cameras, rule_of
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.evaluation.parts import unmatched, unmatched_boxes
from reid_srdl.retrieval.labels import Labels
from reid_srdl.retrieval.rules import PidIndex, counted, distractors

_PAIRS = 1 << 22  # same-identity pairs held at once


@dataclass(frozen=True)
class Asked:
    """The settings of an evaluation that depend on each other.

    Attributes:
        rules: whose conventions.
        normalized: whether features are L2-normalised.
        same_camera: whether matches of the query's own camera count.
        drawn: whether galleries are drawn (single-shot).
        engine: ``count`` or ``faiss``.
        index, retrieved: a FAISS index, and how many images it retrieves; None: exact.
        k1, k2: of k-reciprocal re-ranking; None: there is none.
        expand, n: how queries are expanded, and by how many images; None: they are not.
    """

    rules: RulesName = "ours"
    normalized: bool = False
    same_camera: SameCamera = "ignore"
    drawn: bool = False
    engine: str = "count"
    index: str | None = None
    retrieved: int = 100
    k1: int | None = None
    k2: int = 6
    expand: str | None = None
    n: int = 10


def check_settings(asked: Asked, dim: int | None = None) -> None:
    """Checks settings against each other.

    Args:
        asked: the settings.
        dim: of the features, where it is known: some indexes do not fit all.

    Raises:
        UserError: they contradict each other; the hint names the option.
    """
    convention = CONVENTIONS[asked.rules]
    for option, wanted, why in (
        ("--rerank", asked.k1 is not None, convention.no_rerank),
        ("--expand", asked.expand is not None, convention.no_expand),
    ):
        if wanted and why is not None:
            raise _wrong(
                f"{option} under the rules of {asked.rules}: {why}",
                f"leave {option} out, or add --rules ours",
            )
    _check_rerank(asked)
    if asked.expand == "alpha-qe" and not asked.normalized:
        raise _wrong(
            "alpha-qe weighs by cosines, but features are raw",
            "add --normalize or --distance cosine, or choose --expand aqe",
        )
    if asked.index is None:
        return
    if asked.engine != "faiss":
        raise _wrong(
            f"--index {asked.index}: the engine {asked.engine!r} has no index",
            "add --engine faiss",
        )
    from reid_srdl.retrieval.by_faiss.approximate import check_name

    check_name(asked.index, dim)


def _check_rerank(asked: Asked) -> None:
    if asked.k1 is None:
        return
    if asked.index is not None:
        raise _wrong(
            "--rerank and --index: re-ranking needs all distances, an index has some",
            "leave --rerank or --index out",
        )
    if not 1 <= asked.k2 <= asked.k1 + 1:
        raise _wrong(
            f"k1 = {asked.k1}, k2 = {asked.k2}: k2 is not between 1 and k1 + 1",
            f"choose --rerank-k2 from 1 to {asked.k1 + 1}, or a larger --rerank-k1",
        )


def check_labels(query: Labels, gallery: Labels, asked: Asked) -> None:
    """Checks that queries have matches, and that there are as many images as the settings need.

    Args:
        query, gallery: the labels.
        asked: the settings.

    Raises:
        UserError: no query has a match, cameras do not tell which are left out, or there are too
            few images; the hint names the option.
    """
    kept = counted(gallery, junk_ignored=_junk_ignored(asked))
    there = gallery.take(kept)
    rule = rule_of(query.camids, asked.same_camera)
    check_cameras(query, there, rule)
    query = as_ruled(query, rule)
    sizes = _drawn_sizes(query, there) if asked.drawn else [(len(query), len(there))]
    for queries, images in sizes:
        check_counts(queries, images, asked)
    index = PidIndex(there)
    if not _matched(query, index):
        raise unmatched()


def check_boxes(query: Labels, gallery: Labels, boxes: Labels, asked: Asked) -> None:
    """Checks that a multi-query has boxes and a match, where a set has boxes.

    Args:
        query, gallery, boxes: the labels.
        asked: the settings.

    Raises:
        UserError: none has both.
    """
    mine = np.stack([query.pids, query.camids], axis=1)
    drawn = {tuple(pair) for pair in zip(boxes.pids.tolist(), boxes.camids.tolist(), strict=True)}
    boxed = np.array([tuple(pair) in drawn for pair in mine.tolist()], dtype=bool)
    index = PidIndex(gallery.take(counted(gallery, junk_ignored=_junk_ignored(asked))))
    rule = rule_of(query.camids, asked.same_camera)
    wanted = as_ruled(query.take(np.flatnonzero(boxed)), rule)
    if not _matched(wanted, index):
        raise unmatched_boxes()


def _junk_ignored(asked: Asked) -> bool:
    return CONVENTIONS[asked.rules].junk_ignored


def _matched(query: Labels, index: PidIndex) -> bool:
    """Whether any query has a match."""
    runs = (query.take(np.arange(*run)) for run in index.waves(query, _PAIRS))
    return any(index.same_pid(run).match.any() for run in runs)


def check_counts(queries: int, images: int, asked: Asked) -> None:
    """Checks numbers of images against what the settings need.

    Raises:
        UserError: there are too few; the hint names the option.
    """
    if asked.expand is not None and not 1 <= asked.n <= images:
        raise _wrong(
            f"query expansion by {asked.n} of {images:,} images",
            f"choose --expand-n from 1 to {images}",
        )
    count = queries + images
    if asked.k1 is not None and asked.k1 + 1 > count:
        raise _wrong(
            f"k1 = {asked.k1}, k2 = {asked.k2} for {count:,} images",
            f"choose --rerank-k1 from 1 to {count - 1}",
        )
    if asked.index is not None and asked.retrieved > images:
        raise _wrong(
            f"{asked.retrieved} images per query are asked for, the gallery has {images:,} "
            "without junk",
            f"choose --retrieved from 1 to {images}",
        )


def _drawn_sizes(query: Labels, gallery: Labels) -> list[tuple[int, int]]:
    """Returns how many queries and images each camera's drawn galleries have."""
    nobody = distractors(query, gallery)
    somebody = np.ones(len(gallery), np.bool_)
    somebody[nobody] = False
    sizes = []
    for camera in np.unique(query.camids).tolist():
        elsewhere = somebody & (gallery.camids != camera)
        images = len(np.unique(gallery.pids[elsewhere])) + len(nobody)
        if images:
            sizes.append((int((query.camids == camera).sum()), images))
    return sizes


def _wrong(what: str, hint: str) -> UserError:
    return UserError(what, hint, usage=True)
