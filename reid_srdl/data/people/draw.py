"""Splits that are drawn where none is given: half of the persons to train on, half to test.

As CUHK03's and VIPeR's halves (Li et al., CVPR 2014; Gray et al., PETS 2007), and as Market-1501's
queries: one image of each test person and camera, the rest is the gallery.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.people.rows import NONE, SPLITS, Table
from reid_srdl.seeds import generator

DRAW = "people"  # the draw's name; its seed is 0, whatever a run's is

_TRAIN, _QUERY, _GALLERY = (SPLITS.index(name) for name in ("train", "query", "gallery"))


def drawn_splits(table: Table) -> NDArray[np.int8]:
    """Returns a split for each of N rows; those of no person are in the gallery.

    A query is the first image of its sequence, whose other frames are in no split (-1): they are
    nearly the query.

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
    rows = np.flatnonzero(somebody & (splits == _GALLERY))
    looks, drawn = _drawn_looks(table, rows)
    splits[rows[drawn[looks]]] = NONE
    first = np.full(len(drawn), len(rows))
    np.minimum.at(first, looks, np.arange(len(rows)))
    splits[rows[first[drawn]]] = _QUERY
    return splits


def _drawn_looks(
    table: Table, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Returns the look that each of R test images is of, and which looks are drawn as queries.

    A look at a person is a sequence by a camera, or a single image.
    """
    persons, cameras = table.persons[rows], table.cameras[rows]
    sequences = table.sequences[rows]
    alone = np.where(sequences == NONE, rows, NONE)
    owner, looks = _groups(persons, cameras, sequences, alone)
    # A row for each look: of whom, by which camera, and its place in a drawn order.
    who, camera = persons[owner], cameras[owner]
    order = generator(0, DRAW, "queries").permutation(len(owner))
    _, place = _groups(who, camera)
    by_camera = _first_of(place, order) & (np.bincount(place)[place] > 1)
    has_query = np.zeros(len(table.person_names), np.bool_)
    has_query[who[by_camera]] = True
    only = _first_of(who, order) & (np.bincount(who)[who] > 1) & ~has_query[who]
    return looks, by_camera | only


def _groups(*columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the first row of each combination of N rows' values, and which one each row has."""
    order = np.lexsort(columns[::-1])
    new = np.ones(len(order), np.bool_)
    new[1:] = np.any([np.diff(column[order]) != 0 for column in columns], axis=0)
    which = np.empty(len(order), np.int64)
    which[order] = np.cumsum(new) - 1
    return order[new], which


def _first_of(groups: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Says for each of L looks whether it is the first of its group in a drawn order."""
    least = np.full(int(groups.max(initial=-1)) + 1, len(order))
    np.minimum.at(least, groups, order)
    first: NDArray[np.bool_] = order == least[groups]
    return first
