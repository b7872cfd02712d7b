"""Splits that are drawn where none is given: half of the persons to train on, half to test.

As CUHK03's and VIPeR's halves (Li et al., CVPR 2014; Gray et al., PETS 2007), and as Market-1501's
queries: one image of each test person and camera, the rest is the gallery.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.people.rows import NONE, SPLITS, Table
from reid_srdl.seeds import generator

DRAW = "people"  # the draw's name; its seed is 0, whatever a run's is

_TRAIN, _QUERY, _GALLERY = (SPLITS.index(name) for name in ("train", "query", "gallery"))


def drawn_splits(table: Table) -> NDArray[np.int8]:
    """Returns a split for each of N rows; those of no person are in the gallery.

    An image whose sequence a query was drawn of is in no split (-1): it is nearly the query.

    NOTE: a camera with one image (or sequence) of a person leaves it to the gallery. Where that
    holds for all of the person's cameras, one image alone is a query. So every query has an image
    of its person in the gallery.
    """
    splits = np.full(len(table), _GALLERY, np.int8)
    order = generator(0, DRAW).permutation(len(table.person_names))
    training = np.zeros(len(table.person_names), np.bool_)
    training[order[: len(order) // 2]] = True
    somebody = table.persons != NONE
    splits[somebody] = np.where(training[table.persons[somebody]], _TRAIN, _GALLERY)
    for rows in _by_person(table, np.flatnonzero(somebody & (splits == _GALLERY))):
        queries, copies = _queries(table, rows)
        splits[copies] = NONE
        splits[queries] = _QUERY
    return splits


def _by_person(table: Table, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yields the rows of each person, in their order."""
    order = rows[np.argsort(table.persons[rows], kind="stable")]
    edges = np.flatnonzero(np.diff(table.persons[order])) + 1
    yield from (part for part in np.split(order, edges) if len(part))


def _queries(table: Table, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the rows of one person that are queries, and all frames of these sequences."""
    name = table.person_names[table.persons[rows[0]]]
    draw = generator(0, DRAW, name)
    units = _units(table, rows)
    cameras = table.cameras[rows]
    chosen = [
        draw.choice(own)
        for camera in np.unique(cameras)
        if len(own := np.unique(units[cameras == camera])) > 1
    ]
    if not chosen and len(every := np.unique(units)) > 1:
        chosen = [draw.choice(every)]
    groups = [rows[units == unit] for unit in chosen]
    queries = np.array([draw.choice(group) for group in groups], np.int64)
    return queries, np.concatenate([*groups, np.empty(0, np.int64)]).astype(np.int64)


def _units(table: Table, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers what stands for one look at a person: a sequence by a camera, or a single image."""
    sequences = table.sequences[rows]
    alone = np.where(sequences == NONE, np.arange(len(rows)), NONE)
    looks = np.stack([table.cameras[rows], sequences, alone], axis=1)
    numbers: NDArray[np.int64] = np.unique(looks, axis=0, return_inverse=True)[1].reshape(-1)
    return numbers
