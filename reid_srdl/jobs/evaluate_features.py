"""Evaluates features that other software made, and leaves a record of them."""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path

from pydantic import ValidationError

from reid_srdl.config import EvalConfig, RunConfig
from reid_srdl.errors import UserError
from reid_srdl.evaluation import (
    Progress,
    Scored,
    asked_of,
    check_settings,
    check_shared,
    evaluate_by,
)
from reid_srdl.machine import available_cores, processor_name, versions
from reid_srdl.records.digests import features_digest, labels_digest
from reid_srdl.records.evaluated import Evaluated, EvaluationData, settings_used
from reid_srdl.records.queries import scored_queries
from reid_srdl.records.run import DatasetFacts, Device, FeaturesRecord, Versions
from reid_srdl.records.store import RECORD, read_any_record, write_record
from reid_srdl.retrieval.feature_files import load_features
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.rank_lists import check_lists
from reid_srdl.retrieval.sharing.sharding import Alone, Group
from reid_srdl.seals import LOCK, SEALS


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

    Returns:
        The features, the evaluation, and the record's path; None without a name.

    Raises:
        UserError: features that cannot be evaluated; a name that cannot be a folder's; a folder
            that holds anything but the record of these features by these settings.
    """
    group = group or Alone()
    check_shared(settings, settings.engine, group)
    check_settings(asked_of(settings, settings.engine))
    folder = None if name is None else _folder(runs, name)
    features = load_features(file)
    if lists is not None:
        check_lists(settings, lists, len(features.gallery))
    recorded, digest = folder is not None and group.rank == 0, ""
    if recorded:
        assert folder is not None
        digest = features_digest(features)
        _check_same(folder, digest, settings)
    chosen = "cpu" if device == "auto" else group.device(device)
    result = evaluate_by(
        features, settings, engine=settings.engine, device=chosen, progress=progress, group=group
    )
    if recorded:
        assert folder is not None
        write_record(folder, _record(folder.name, features, digest, settings, result, chosen))
    return features, result, None if folder is None else folder / RECORD


def _folder(runs: Path, name: str) -> Path:
    """Returns the record's folder, having seen that it may be written to."""
    try:
        RunConfig(name=name)
    except ValidationError:
        raise UserError(
            f"--name {name}: cannot be a folder's name",
            "use letters, digits, '.', '_' and '-', and begin with a letter or a digit",
            usage=True,
        ) from None
    folder = runs / name
    if not folder.exists():
        return folder
    leftovers = (f".{RECORD}.", f".{SEALS}.")  # of a process that was killed while it wrote
    others = not folder.is_dir() or any(
        path.name not in (RECORD, SEALS, LOCK) and not path.name.startswith(leftovers)
        for path in folder.iterdir()
    )
    if others:
        raise UserError(
            f"{folder}: holds something else than a record of features", "choose another --name"
        )
    return folder


def _check_same(folder: Path, digest: str, settings: EvalConfig) -> None:
    """Checks that a record that is there already is of these features and settings."""
    if not (folder / RECORD).exists():
        return
    record = read_any_record(folder)
    if not isinstance(record, FeaturesRecord):
        raise UserError(f"{folder}: holds the record of a run", "choose another --name")
    there = record.evaluations[0]
    if there.data.features != digest:
        raise UserError(f"{folder}: holds the record of other features", "choose another --name")
    ours = settings_used(settings, features=True)
    if differing := sorted(
        k for k in ours | there.settings if ours.get(k) != there.settings.get(k)
    ):
        raise UserError(
            f"{folder}: holds the record of these features by other settings "
            f"({', '.join(differing)})",
            "choose another --name",
        )


def _record(
    name: str,
    features: Features,
    digest: str,
    settings: EvalConfig,
    result: Scored,
    device: str,
) -> FeaturesRecord:
    used = settings_used(settings, features=True)
    labels = labels_digest((features.query, features.gallery, features.boxes))
    counts = {
        "query": len(features.query),
        "gallery": len(features.gallery),
        "boxes": None if features.boxes is None else len(features.boxes),
    }
    dataset = DatasetFacts(name=f"features-{labels[:8]}", labels=labels, **counts)
    evaluated = Evaluated(
        network=name,
        data=EvaluationData(
            name=dataset.name,
            labels=labels,
            features=digest,
            distractors=result.evaluation.protocol.distractors,
            **counts,
        ),
        settings=used,
        result=result.evaluation,
        per_query=scored_queries(result.single, result.multi),
    )
    text = json.dumps([digest, used], sort_keys=True)
    return FeaturesRecord(
        name=name,
        created=datetime.datetime.now(datetime.UTC),
        experiment=hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
        dataset=dataset,
        evaluations=(evaluated,),
        versions=Versions.model_validate(versions()),
        device=Device(name=_device_name(device), precision="fp32", threads=available_cores()),
        config={"eval": used},
    )


def _device_name(device: str) -> str:
    if device == "cpu":
        return processor_name()
    import torch

    return str(torch.cuda.get_device_name(device))
