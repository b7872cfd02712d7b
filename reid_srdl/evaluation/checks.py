"""What can be known before any feature: settings that contradict each other, labels too few.

Evaluation asks these itself; a job may ask them before it trains.
"""

from __future__ import annotations

import numpy as np

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation.cameras import as_ruled, check_cameras, rule_of
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.evaluation.parts import EngineName, normalizes, unmatched, unmatched_boxes
from reid_srdl.retrieval.labels import Labels
from reid_srdl.retrieval.rules import PidIndex, counted, distractors

_PAIRS = 1 << 22  # same-identity pairs held at once


def check_settings(protocol: Protocol, engine: EngineName) -> None:
    """Checks settings against each other.

    Args:
        protocol: the settings.
        engine: who computes exact ranks.

    Raises:
        UserError: they contradict each other; the hint names the option.
    """
    convention = CONVENTIONS[protocol.rules]
    for option, wanted, why in (
        ("--rerank", protocol.rerank.method != "none", convention.no_rerank),
        ("--expand", protocol.expand.method != "none", convention.no_expand),
    ):
        if wanted and why is not None:
            raise _wrong(
                f"{option} under the rules of {protocol.rules}: {why}",
                f"leave {option} out, or add --rules ours",
            )
    _check_rerank(protocol)
    if protocol.expand.method == "alpha-qe" and not normalizes(protocol):
        raise _wrong(
            "alpha-qe weighs by cosines, but features are raw",
            "add --normalize or --distance cosine, or choose --expand aqe",
        )
    if protocol.index is None:
        return
    if engine != "faiss":
        raise _wrong(
            f"--index {protocol.index}: the engine {engine!r} has no index",
            "add --engine faiss",
        )
    from reid_srdl.by_faiss.building import check_name

    check_name(protocol.index)


def _check_rerank(protocol: Protocol) -> None:
    rerank = protocol.rerank
    if rerank.method == "none":
        return
    if protocol.index is not None:
        raise _wrong(
            "--rerank and --index: re-ranking needs all distances, an index has some",
            "leave --rerank or --index out",
        )
    if not 1 <= rerank.k2 <= rerank.k1 + 1:
        raise _wrong(
            f"k1 = {rerank.k1}, k2 = {rerank.k2}: k2 is not between 1 and k1 + 1",
            f"choose --rerank-k2 from 1 to {rerank.k1 + 1}, or a larger --rerank-k1",
        )


def check_labels(query: Labels, gallery: Labels, protocol: Protocol) -> None:
    """Checks that queries have matches, and that there are as many images as the settings need.

    Args:
        query, gallery: the labels.
        protocol: the settings.

    Raises:
        UserError: no query has a match, cameras do not tell which are left out, or there are too
            few images; the hint names the option.
    """
    kept = counted(gallery, junk_ignored=_junk_ignored(protocol))
    there = gallery.take(kept)
    rule = rule_of(query.camids, protocol.same_camera)
    check_cameras(query, there, rule)
    query = as_ruled(query, rule)
    drawn = protocol.gallery != "all"
    sizes = _drawn_sizes(query, there) if drawn else [(len(query), len(there))]
    for queries, images in sizes:
        check_counts(queries, images, protocol)
    index = PidIndex(there)
    if not _matched(query, index):
        raise unmatched()


def check_boxes(query: Labels, gallery: Labels, boxes: Labels, protocol: Protocol) -> None:
    """Checks that a multi-query has boxes and a match, where a set has boxes.

    Args:
        query, gallery, boxes: the labels.
        protocol: the settings.

    Raises:
        UserError: none has both.
    """
    mine = np.stack([query.pids, query.camids], axis=1)
    drawn = {tuple(pair) for pair in zip(boxes.pids.tolist(), boxes.camids.tolist(), strict=True)}
    boxed = np.array([tuple(pair) in drawn for pair in mine.tolist()], dtype=bool)
    index = PidIndex(gallery.take(counted(gallery, junk_ignored=_junk_ignored(protocol))))
    rule = rule_of(query.camids, protocol.same_camera)
    wanted = as_ruled(query.take(np.flatnonzero(boxed)), rule)
    if not _matched(wanted, index):
        raise unmatched_boxes()


def _junk_ignored(protocol: Protocol) -> bool:
    return CONVENTIONS[protocol.rules].junk_ignored


def _matched(query: Labels, index: PidIndex) -> bool:
    """Whether any query has a match."""
    runs = (query.take(np.arange(*run)) for run in index.waves(query, _PAIRS))
    return any(index.same_pid(run).match.any() for run in runs)


def check_counts(queries: int, images: int, protocol: Protocol) -> None:
    """Checks numbers of images against what the settings need.

    Raises:
        UserError: there are too few; the hint names the option.
    """
    rerank, expand = protocol.rerank, protocol.expand
    if expand.method != "none" and not 1 <= expand.n <= images:
        raise _wrong(
            f"query expansion by {expand.n} of {images:,} images",
            f"choose --expand-n from 1 to {images}",
        )
    count = queries + images
    if rerank.method != "none" and rerank.k1 + 1 > count:
        raise _wrong(
            f"k1 = {rerank.k1}, k2 = {rerank.k2} for {count:,} images",
            f"choose --rerank-k1 from 1 to {count - 1}",
        )
    if protocol.index is not None and protocol.retrieved > images:
        raise _wrong(
            f"{protocol.retrieved} images per query are asked for, the gallery has {images:,} "
            "without junk",
            f"choose --retrieved from 1 to {images}",
        )
    if protocol.index is not None:
        from reid_srdl.by_faiss.building import check_trainable

        check_trainable(protocol.index, images)


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
