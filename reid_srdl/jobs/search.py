"""Searches a gallery for the people nearest to one image, as a run's network sees them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.config import DataConfig, changed
from reid_srdl.data import UNKNOWN as NO_SET
from reid_srdl.data.images import KINDS, UnreadableError, read_rgb
from reid_srdl.data.notes import Finding
from reid_srdl.data.reid.crops import JUNK, Crops
from reid_srdl.data.reid.loose import UNKNOWN, list_gallery
from reid_srdl.errors import FileError, UserError
from reid_srdl.evaluation.rank_lists import rank_lists
from reid_srdl.jobs.people import data_to_test
from reid_srdl.methods import KNOWN
from reid_srdl.records.answer import Answer, Found
from reid_srdl.records.belonging import read_run
from reid_srdl.records.folder import RunFolder
from reid_srdl.retrieval.features import Features, FeatureSet

if TYPE_CHECKING:
    from reid_srdl.tasks.task import Steps


def search_run(
    run: Path,
    image: Path,
    *,
    gallery: Path | None = None,
    data_dir: Path | None = None,
    k: int = 10,
    threshold: float | None = None,
    changes: dict[str, Any] | None = None,
    device: str = "auto",
    steps: Steps | None = None,
    refused: Callable[[FileError], None] = lambda error: None,
) -> Answer:
    """Returns the k gallery images nearest to an image.

    The order is exact by the definition of distance (see `retrieval.counting.exact`), from
    FAISS's Flat index. The gallery's features are kept in ``RUN/search`` and read back while its
    files and the network stay as they are.

    Args:
        run: the folder of a finished run.
        image: a file of one person, of any size.
        gallery: a folder of crops, named as in Market-1501 or not; None: the gallery of the run's
            own data set.
        data_dir: where that data set is now.
        k: how many to return.
        threshold: leave out what is farther than this distance; None: nothing.
        changes: keys of the ``eval`` section that differ from the run's own.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        steps: told of the extraction's progress.
        refused: told that the gallery's features can't be kept for the next time.

    Raises:
        UserError: no run, no such image, not an image, an empty gallery, k outside the gallery, a
            threshold that is no distance.
    """
    if threshold is not None and not 0 <= threshold < math.inf:
        raise UserError(
            f"--threshold {threshold}: no distance",
            "give a number from 0, e.g. what eval --verification prints",
            usage=True,
        )
    folder = RunFolder(run)
    config, record = read_run(folder, KNOWN)
    _query(image)
    where, crops, junk, notes = _gallery(folder, config.data, gallery, data_dir)
    if not 1 <= k <= len(crops):
        raise UserError(
            f"the {k} nearest of {len(crops):,} images are asked for",
            f"choose --top-k from 1 to {len(crops)}",
            usage=True,
        )
    settings = changed(config.eval, changes or {}, "eval")

    from reid_srdl.jobs.extract import extractor_of_run
    from reid_srdl.jobs.gallery_cache import gallery_features

    extractor = extractor_of_run(run, device=device, flip=settings.flip, steps=steps)
    searched = gallery_features(folder, record.network, extractor, where, crops, refused)
    # The query takes the gallery's way to the network's input size, so equal images are equal.
    same_way = _query(image, extractor.size if searched.size == extractor.size else None)
    query = extractor.of_pixels("the image", same_way[None])
    features = _unlabelled(query, searched.rows)
    (found,) = rank_lists(features, settings, k)
    every = list(zip(found.gallery.tolist(), found.distances.tolist(), strict=True))
    pairs = [pair for pair in every if threshold is None or pair[1] <= threshold]
    return Answer(
        image=str(image),
        gallery=str(where),
        images=len(crops),
        junk=junk,
        distance=settings.distance,
        normalize=settings.normalize or settings.distance == "cosine",
        cached=searched.cached,
        results=tuple(_found(rank, crops, *pair) for rank, pair in enumerate(pairs, 1)),
        threshold=threshold,
        farther=len(every) - len(pairs),
        notes=tuple(note.line for note in notes),
    )


def _query(image: Path, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    if image.is_dir():
        raise UserError(f"{image}: a folder, not an image", "name one image", usage=True)
    try:
        return read_rgb(image, size)
    except UnreadableError as error:
        raise UserError(f"{image}: {error}", f"give a whole {KINDS} image") from None


def _gallery(
    run: RunFolder, trained: DataConfig, folder: Path | None, data_dir: Path | None
) -> tuple[Path, Crops, int, tuple[Finding, ...]]:
    """Returns the gallery's folder, the crops that count, how many are junk, and notes."""
    notes: tuple[Finding, ...] = ()
    if folder is not None:
        crops, notes = list_gallery(folder)
    else:
        if "+" in trained.name:
            raise UserError(
                f"the run was trained on {trained.name}, which is no one gallery",
                "name a folder of crops: --gallery DIR",
                usage=True,
            )
        if trained.name == NO_SET:
            raise UserError(
                f"{run.path}: an imported network: its own gallery is not known",
                "name a folder of crops: --gallery DIR",
                usage=True,
            )
        data = data_to_test(run, trained, trained.name, data_dir, trained.split)
        crops = data.gallery
        folder = data.root if data.persons else crops.paths[0].parent
    counts = crops.pids != JUNK
    if not counts.any():
        raise UserError(f"{folder}: holds junk (pid -1) alone", "give a folder with people in it")
    return folder, crops.select(counts), int((~counts).sum()), notes


def _unlabelled(query: NDArray[np.float32], rows: NDArray[np.float32]) -> Features:
    """Returns features under whose labels everything in the gallery counts for the query."""
    nobody, zeros = np.array([UNKNOWN]), np.zeros(len(rows), np.int64)
    return Features(FeatureSet(query, nobody, nobody), FeatureSet(rows, zeros, zeros))


def _found(rank: int, crops: Crops, position: int, distance: float) -> Found:
    path, pid, camid = crops.paths[position], int(crops.pids[position]), crops.camids[position]
    known = pid != UNKNOWN
    return Found(
        rank=rank,
        name=path.name,
        pid=pid if known else None,
        camid=int(camid) if known else None,
        distance=distance,
        path=str(path),
    )
