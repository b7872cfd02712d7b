"""Evaluates features that other software made, and leaves a record of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reid_srdl.config import EvalConfig
from reid_srdl.errors import FileError, fail
from reid_srdl.evaluation import (
    Progress,
    Scored,
    check_settings,
    check_shared,
    evaluate_by,
)
from reid_srdl.evaluation.rank_lists import check_lists
from reid_srdl.feature_files.reading import load_features
from reid_srdl.group.processes import Alone, Group
from reid_srdl.retrieval.features import Features


def evaluate_features(
    file: Path,
    settings: EvalConfig,
    *,
    name: str | None = None,
    runs: Path = Path("runs"),
    lists: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    group: Group | None = None,
    keep: bool = False,
    refused: Callable[[FileError], None] = fail,
) -> tuple[Features, Scored, Path | None]:
    """Evaluates a file of features and, where it has a name, records what came out.

    Args:
        file: as `retrieval.feature_files.load_features` reads it.
        settings: how to evaluate.
        name: what tables call the network; None: no record.
        runs: the folder ``runs/name`` gets the record.
        lists: length of the rank lists that will be asked for; None: none.
        device: ``auto`` (the CPU), ``cpu``, ``cuda`` or ``cuda:N``.
        progress: told of the ranking's progress.
        group: the processes that share the ranking; process 0 records.
        keep: keep the top of the ranking; a record does in any case.
        refused: told where the result cannot be recorded; by default that is an error.

    Returns:
        The features, the evaluation, and the record's path; None without a name.

    Raises:
        UserError: features that cannot be evaluated; a name that cannot be a folder's; a folder
            that holds anything but the record of these features by these settings.
    """
    group = group or Alone()
    check_shared(settings, settings.engine, group, settings.verify)
    check_settings(settings, settings.engine)
    kept = None
    if name is not None:
        from reid_srdl.jobs.features_record import Kept  # what names nothing needs no records

        kept = Kept(runs, name, settings)
    features = load_features(file)
    if lists is not None:
        check_lists(settings, lists, len(features.gallery))
    writes = kept is not None and group.rank == 0
    if writes:
        from reid_srdl.records.digests import features_digest

        assert kept is not None
        kept.check(features_digest(features))
    chosen = "cpu" if device == "auto" else group.device(device)
    result = evaluate_by(
        features,
        settings,
        engine=settings.engine,
        device=chosen,
        progress=progress,
        group=group,
        verify=settings.verify,
        keep=keep or kept is not None,
    )
    if writes:
        assert kept is not None
        try:
            kept.write(features, result, chosen)
        except FileError as error:
            refused(error)
    return features, result, None if kept is None else kept.path
