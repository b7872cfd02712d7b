"""Scores by query and gallery camera: who is found across which pair of cameras."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from reid_srdl.errors import UserError
from reid_srdl.retrieval.kept import CameraFigures
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.metrics import PerQuery, scores

MOST = 64  # cameras of the gallery: beyond, a table says nothing to anyone

# Evaluates all queries in the gallery of one camera alone.
Evaluate = Callable[[int], PerQuery]


def camera_figures(query: Int64s, gallery: Sequence[int], evaluate: Evaluate) -> CameraFigures:
    """Returns the evaluation of each query camera's queries in each gallery camera's gallery.

    Args:
        query: Q queries' cameras.
        gallery: the cameras of the images that count, ascending.
        evaluate: evaluates a column.
    """
    cameras = np.unique(query)
    shape = len(cameras), len(gallery)
    found = CameraFigures(
        cameras, np.array(gallery, np.int64), np.zeros(shape, np.int64), *_blank(shape)
    )
    for column, there in enumerate(gallery):
        together = _tried(evaluate, there)
        for row, camera in enumerate(cameras.tolist()):
            own = np.flatnonzero(query == camera)
            part = None if together is None else _taken(together, own)
            if part is not None and part.matched.any():
                told = scores(part)
                found.queries[row, column] = told.queries
                for key in ("mAP", "rank1", "mINP"):
                    getattr(found, key)[row, column] = getattr(told, key)
    return found


def few_cameras(query: Labels, gallery: Labels) -> bool:
    """Says whether there are so few cameras that their figures are kept."""
    return max(len(np.unique(side.camids)) for side in (query, gallery)) <= MOST


def _tried(evaluate: Evaluate, camera: int) -> PerQuery | None:
    """Returns a column's results; None where its gallery is too small for the settings."""
    try:
        return evaluate(camera)
    except UserError:
        return None


def _taken(results: PerQuery, queries: Int64s) -> PerQuery:
    """Returns the results of some queries."""
    values = {
        field.name: getattr(results, field.name)[queries]
        for field in dataclasses.fields(results)
        if field.name != "names"
    }
    return PerQuery(names=None, **values)


def _blank(shape: tuple[int, int]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    return [np.full(shape, np.nan) for _ in range(3)]
