"""A query and what it found, as people look at it: on a page or as a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from reid_srdl.retrieval.kept import IGNORED, MATCH, KeptRanks
from reid_srdl.texts import plain

Kind = Literal["query", "match", "other", "ignored", "found"]
FIRST = 10  # images beside the query
MISSED = 5  # matches that stand farther down

Paths = Mapping[int, Path] | None  # of images by their position in a part; None: not there


@dataclass(frozen=True)
class Tile:
    """An image with what stands below it.

    Attributes:
        path: the file; None where there is only a name.
        name: the file's name, or the image's position.
        lines: what is told of it.
        kind: decides the frame.
    """

    path: Path | None
    name: str
    lines: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True)
class Shown:
    """A query's list.

    Attributes:
        title: the query, and how well it did.
        query: its image.
        first: what it found, nearest first.
        missed: matches below these, with their ranks.
        further: how many more matches there are that are not shown.
    """

    title: str
    query: Tile
    first: tuple[Tile, ...]
    missed: tuple[Tile, ...]
    further: int = 0

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """All images."""
        return (self.query, *self.first, *self.missed)


def shown_list(
    kept: KeptRanks, query: int, precision: float, queries: Paths = None, gallery: Paths = None
) -> Shown:
    """Returns one query's list.

    Args:
        kept: the ranking's top.
        query: whose.
        precision: its average precision.
        queries, gallery: the image files of the whole parts.
    """
    asks, images = kept.queries, kept.images
    name = _name(asks.names[query], int(asks.positions[query]))
    own = _tile(queries, asks.positions[query], name, (_who(kept, query),), "query")
    part = kept.list_of(query)
    ranks = np.cumsum(kept.kinds[part] != IGNORED)
    tiles: list[Tile] = []
    below: list[tuple[int, str]] = []
    for image, distance, kind, rank in zip(
        kept.listed[part], kept.distances[part], kept.kinds[part], ranks.tolist(), strict=True
    ):
        if len(tiles) == FIRST:
            if kind == MATCH:
                below.append((int(image), f"rank {rank}"))
            continue
        told = "–" if kind == IGNORED else f"{rank}."
        lines = (f"{told} camera {images.camids[image]}", f"{distance:.4g}")
        tiles.append(_of_gallery(kept, gallery, int(image), lines, _KINDS[int(kind)]))
    far = kept.missed_of(query)
    for image, rank in zip(kept.missed[far].tolist(), kept.missed_ranks[far].tolist(), strict=True):
        below.append((image, f"rank {rank:,}" if rank else "not retrieved"))
    missed = tuple(
        _of_gallery(kept, gallery, image, (told, f"camera {images.camids[image]}"), "match")
        for image, told in below[:MISSED]
    )
    title = f"{name}: average precision {100 * precision:.1f} %"
    return Shown(title, own, tuple(tiles), missed, len(below) - len(missed))


_KINDS: tuple[Kind, ...] = ("other", "match", "ignored")


def _who(kept: KeptRanks, query: int) -> str:
    return f"person {kept.queries.pids[query]}, camera {kept.queries.camids[query]}"


def _name(name: str, position: int) -> str:
    return plain(str(name)) if name else f"image {position}"


def _of_gallery(
    kept: KeptRanks, gallery: Paths, image: int, lines: tuple[str, ...], kind: Kind
) -> Tile:
    position = int(kept.images.positions[image])
    return _tile(gallery, position, _name(kept.images.names[image], position), lines, kind)


def _tile(paths: Paths, position: int, name: str, lines: tuple[str, ...], kind: Kind) -> Tile:
    return Tile(None if paths is None else paths.get(int(position)), name, lines, kind)


def gone(lists: Sequence[Shown], exists: Callable[[Path], bool] = Path.is_file) -> list[str]:
    """Returns a line for each image that is not where it was."""
    paths = {tile.path for shown in lists for tile in shown.tiles if tile.path is not None}
    missing = sorted(path for path in paths if not exists(path))
    return [f"{path}: the image is gone; its name stands in its place" for path in missing]
