"""Evaluates distances that other software made, and leaves a record of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reid_srdl.config import EvalConfig
from reid_srdl.errors import FileError, fail
from reid_srdl.evaluation import Progress, Scored, evaluate_given, of_given
from reid_srdl.evaluation.rank_lists import check_lists
from reid_srdl.feature_files.distances import load_distances
from reid_srdl.retrieval.features import Features


def evaluate_distances(
    file: Path,
    labels: Path | None,
    settings: EvalConfig,
    *,
    name: str | None = None,
    runs: Path = Path("runs"),
    lists: int | None = None,
    progress: Progress | None = None,
    keep: bool = False,
    refused: Callable[[FileError], None] = fail,
) -> tuple[Features, Scored, Path | None]:
    """Evaluates a file of distances and, where it has a name, records what came out.

    Args:
        file, labels: as `feature_files.distances.load_distances` reads them.
        settings: by whose rules, on which kind of gallery.
        name: what tables call the network; None: no record.
        runs: the folder ``runs/name`` gets the record.
        lists: length of the rank lists that will be asked for; None: none.
        progress: told of the ranking's progress.
        keep: keep the top of the ranking; a record does in any case.
        refused: told where the result cannot be recorded; by default that is an error.

    Returns:
        The images' labels and names, the evaluation, and the record's path; None without a name.

    Raises:
        UserError: distances that cannot be evaluated; settings that need features; a name that
            cannot be a folder's; a folder that holds anything but the record of these distances.
    """
    settings = of_given(settings)
    kept = None
    if name is not None:
        from reid_srdl.jobs.features_record import Kept  # what names nothing needs no records

        kept = Kept(runs, name, settings)
    given = load_distances(file, labels)
    if lists is not None:
        check_lists(settings, lists, len(given.images.gallery))
    if kept is not None:
        from reid_srdl.records.digests import distances_digest

        kept.check(distances_digest(given))
    top = keep or kept is not None
    result = evaluate_given(given, settings, progress, settings.verify, keep=top)
    if kept is not None:
        try:
            kept.write(given.images, result, "cpu")
        except FileError as error:
            refused(error)
    return given.images, result, None if kept is None else kept.path
