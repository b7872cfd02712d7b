"""Scores by query and gallery camera: who is found across which pair of cameras."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from reid_srdl.errors import UserError
from reid_srdl.retrieval.kept import CameraFigures
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.metrics import PerQuery, scores
from reid_srdl.retrieval.ranks import Ranker

MOST = 64  # cameras of the gallery: beyond, a table says nothing to anyone

# Evaluates the queries at some positions in the gallery of one camera alone.
Evaluate = Callable[[Int64s, int], PerQuery]


def camera_figures(
    query: Int64s, gallery: Sequence[int], evaluate: Evaluate, *, independent: bool
) -> CameraFigures | None:
    """Returns the evaluation of each query camera's queries in each gallery camera's gallery.

    Args:
        query: Q queries' cameras.
        gallery: the cameras of the images that count, ascending.
        evaluate: evaluates a cell; its results may be those of more queries.
        independent: a query's ranks depend on no other query, so that all may ask at once.

    Returns:
        None where there are more than 64 cameras.
    """
    cameras = np.unique(query)
    if max(len(gallery), len(cameras)) > MOST:
        return None
    shape = len(cameras), len(gallery)
    found = CameraFigures(
        cameras, np.array(gallery, np.int64), np.zeros(shape, np.int64), *_blank(shape)
    )
    for column, there in enumerate(gallery):
        together = _tried(evaluate, np.arange(len(query)), there) if independent else None
        for row, camera in enumerate(cameras.tolist()):
            own = np.flatnonzero(query == camera)
            if independent:
                part = None if together is None else _taken(together, own)
            else:
                part = _tried(evaluate, own, there)
            if part is not None and part.matched.any():
                told = scores(part)
                found.queries[row, column] = told.queries
                for key in ("mAP", "rank1", "mINP"):
                    getattr(found, key)[row, column] = getattr(told, key)
    return found


def fitted(ranker: Ranker, images: int) -> Ranker:
    """Returns a ranker as it ranks so few images: an index cannot retrieve more than there are."""
    inner = getattr(ranker, "inner", None)
    if inner is not None:
        return dataclasses.replace(ranker, inner=fitted(inner, images))  # type: ignore[type-var]
    retrieved = getattr(ranker, "retrieved", None)
    if retrieved is not None:
        return dataclasses.replace(ranker, retrieved=min(retrieved, images))  # type: ignore[type-var]
    return ranker


def _tried(evaluate: Evaluate, queries: Int64s, camera: int) -> PerQuery | None:
    """Returns a cell's results; None where its gallery is too small for the settings."""
    try:
        return evaluate(queries, camera)
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
