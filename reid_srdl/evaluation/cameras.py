"""Matches of a query's own camera: left out, or counted; see ``eval.same_camera``.

They are left out because they tell little: the same clothes, light and background. Where nobody
knows which camera an image is of, they cannot be told apart, so all matches count.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.retrieval.labels import DISTRACTOR, UNKNOWN_CAMERA, Int64s, Labels

SameCamera = Literal["ignore", "keep"]
P = TypeVar("P", bound=Protocol)

_NO_IMAGES = np.iinfo(np.int64).min  # a camera by which there is no image
_KEEP = "add --same-camera keep"


def with_cameras(protocol: P, query: Labels) -> P:
    """Returns a protocol as the queries' cameras allow: where none is known, matches are kept."""
    told = rule_of(query.camids, protocol.same_camera)
    return protocol.model_copy(update={"same_camera": told})


def rule_of(camids: Int64s, asked: SameCamera) -> SameCamera:
    """Returns whether matches of queries' own cameras count, where Q cameras are these."""
    return asked if (camids != UNKNOWN_CAMERA).any() else "keep"


def as_ruled(query: Labels, rule: SameCamera) -> Labels:
    """Returns queries as the rules see them: where matches are kept, by a camera of their own."""
    if rule == "ignore":
        return query
    return Labels(query.pids, np.full(len(query), _NO_IMAGES))


def words(query: Labels, rule: SameCamera) -> str:
    """Returns the rule in words, for a record."""
    if rule == "ignore":
        return "gallery images of the query's pid and camid ignored"
    if (query.camids != UNKNOWN_CAMERA).any():
        return "gallery images of the query's pid and camid count"
    return "no camera is known: all gallery images of the query's pid count (same_camera keep)"


def check_cameras(query: Labels, gallery: Labels, rule: SameCamera) -> None:
    """Checks that cameras tell which matches to leave out.

    Args:
        query, gallery: the labels; of the gallery those of the queries' identities will do.
        rule: as `rule_of` found it.

    Raises:
        UserError: some cameras are known and some are not, or all are one.
    """
    if rule == "keep":
        return
    people = np.intersect1d(query.pids, gallery.pids)
    camids = np.concatenate(
        [side.camids[np.isin(side.pids, people[people > DISTRACTOR])] for side in (query, gallery)]
    )
    unknown = int((camids == UNKNOWN_CAMERA).sum())
    if unknown:
        raise UserError(
            f"cameras: not known of {unknown:,} of {len(camids):,} test images, so matches of the "
            "query's own camera can't be left out",
            f"name the camera of all, or count those matches: {_KEEP}",
            usage=True,
        )
    if len(camids) and (camids == camids[0]).all():
        raise UserError(
            "cameras: all test images are by one, so no query has a match by another one",
            f"count matches of the query's own camera: {_KEEP}",
            usage=True,
        )
