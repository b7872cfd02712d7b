"""The record of features or distances that were made elsewhere: where it stands, what it says."""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path

from pydantic import ValidationError

from reid_srdl.config import EvalConfig, RunConfig
from reid_srdl.errors import UserError
from reid_srdl.evaluation import Scored
from reid_srdl.machine import available_cores, processor_name, versions
from reid_srdl.records.digests import labels_digest
from reid_srdl.records.evaluated import Evaluated, EvaluationData, settings_used
from reid_srdl.records.kept_ranks import write_ranks
from reid_srdl.records.queries import scored_queries
from reid_srdl.records.run import DatasetFacts, Device, FeaturesRecord, Versions
from reid_srdl.records.store import RECORD, read_any_record, write_record
from reid_srdl.retrieval.features import Features
from reid_srdl.seals import LOCK, SEALS


class Kept:
    """A record of features in the folder ``runs/name``.

    Args:
        runs: the folder of all runs.
        name: what tables call the network.
        settings: how it is evaluated.

    Raises:
        UserError: a name that cannot be a folder's, or a folder that holds something else.
    """

    def __init__(self, runs: Path, name: str, settings: EvalConfig) -> None:
        self._folder, self._settings = _folder(runs, name), settings
        self._digest = ""
        self.path = self._folder / RECORD

    def check(self, digest: str) -> None:
        """Checks that a record that is there already is of these features and settings.

        Args:
            digest: of the features or the distances, see `records.digests`.

        Raises:
            UserError: it is not.
        """
        self._digest = digest
        _check_same(self._folder, self._digest, self._settings)

    def write(self, features: Features, result: Scored, device: str) -> None:
        """Writes the record of an evaluation on a device; `check` comes first."""
        name = self._folder.name
        record = _record(name, features, self._digest, self._settings, result, device)
        if result.kept is not None:
            write_ranks(self._folder, record.evaluations[0], result.kept)
        write_record(self._folder, record)


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
    if runs.exists() and not runs.is_dir():
        raise UserError(f"--runs {runs}: is a file", "name a folder", usage=True)
    if not folder.exists():
        return folder
    leftovers = (f".{RECORD}.", f".{SEALS}.")  # of a process that was killed while it wrote
    others = not folder.is_dir() or any(
        path.name not in (RECORD, SEALS, LOCK, "ranks") and not path.name.startswith(leftovers)
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
