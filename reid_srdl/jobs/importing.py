"""Makes a run's folder of a network that others trained; it claims no training."""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_srdl.analysis.cost import count_parameters
from reid_srdl.config import PATHS, AnyConfig, resolve, to_yaml
from reid_srdl.data import UNKNOWN
from reid_srdl.errors import UserError
from reid_srdl.files import file_digest, whole_folder
from reid_srdl.jobs.foreign_file import ForeignFile
from reid_srdl.machine import versions
from reid_srdl.methods import IMPORTED, KNOWN
from reid_srdl.models.foreign.network import Foreign
from reid_srdl.models.origin import Origin
from reid_srdl.models.weights import save_network
from reid_srdl.places import check_output
from reid_srdl.records.evaluated import Evaluated, EvaluationData
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import DatasetFacts, Device, ImportedFacts, ImportedRecord, Versions
from reid_srdl.records.store import write_record
from reid_srdl.seals import sealed, write_sealed
from reid_srdl.training.precision import choose

NETWORK = "imported"  # what the network is called in its run


@dataclass(frozen=True)
class Imported:
    """A run's folder of an imported network, and its record."""

    folder: Path
    record: ImportedRecord


def import_network(file: ForeignFile, *, runs: Path, name: str) -> Imported:
    """Reads a network that others trained, and makes a run's folder of it, whole or not at all.

    Args:
        file: the file, and what is said of it.
        runs, name: the folder ``runs/name`` is made.

    Raises:
        UserError: a name that cannot be a folder's or is taken; a file that cannot be read as this
            network; it is named.
    """
    config = configured(file.model, {"dir": runs, "name": name})
    folder = RunFolder(runs / name)
    if folder.path.exists():
        raise UserError(f"{folder.path}: is there already", "choose another --name", usage=True)
    check_output(folder.config, "the run's folder")
    foreign = file.read()
    config = configured(file.model, {"dir": runs, "name": name}, foreign)
    record = _record(config, file, foreign)
    origin = Origin(name, NETWORK, record.experiment, None, foreign.classes, foreign.classes)
    with whole_folder(folder.path, "the run's folder") as temporary:
        made = RunFolder(temporary)
        write_sealed(made.config, to_yaml(config), "the run's configuration")
        with sealed(made.weights(NETWORK)):
            save_network(made.weights(NETWORK), foreign.network, origin)
        write_record(made.path, record)
    return Imported(folder.path, record)


def configured(
    model: str, run: dict[str, Any] | None = None, foreign: Foreign | None = None
) -> AnyConfig:
    """Returns the configuration of an imported network: how it is fed and judged, no training.

    It computes in float32, as whoever trained it did.

    Args:
        model: the network's name.
        run: place and name of its folder.
        foreign: the network; None: before it is read.

    Raises:
        UserError: a name that cannot be a folder's.
    """
    data: dict[str, Any] = {"name": UNKNOWN}
    if foreign is not None:
        data |= {"height": foreign.size[0], "width": foreign.size[1]}
    tree: dict[str, Any] = {
        "method": {"name": IMPORTED},
        "model": {"name": model},
        "data": data,
        "train": {"precision": "fp32"},
        "eval": {} if foreign is None else dict(foreign.found.evaluation),
        "run": run or {},
    }
    return resolve(tree, KNOWN)


def _record(config: AnyConfig, file: ForeignFile, foreign: Foreign) -> ImportedRecord:
    digest = file_digest(file.path)
    evaluation = dict(foreign.found.evaluation)
    text = json.dumps([digest, foreign.network.spec.key, evaluation], sort_keys=True)
    compute = choose("cpu", "fp32", config.train.threads)
    assert config.run.name is not None
    return ImportedRecord(
        name=config.run.name,
        created=datetime.datetime.now(datetime.UTC),
        experiment=hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
        dataset=DatasetFacts(name=UNKNOWN, query=0, gallery=0),
        evaluations=(Evaluated(network=NETWORK, data=EvaluationData(name=UNKNOWN), settings={}),),
        imported=ImportedFacts(
            file=file.path.name,
            digest=digest,
            code=foreign.found.code,
            classes=foreign.network.classes,
            notes=foreign.notes,
        ),
        model=config.model.name,
        parameters=count_parameters(foreign.network),
        versions=Versions.model_validate(versions()),
        device=Device(name=compute.device_name, precision="fp32", threads=compute.threads),
        config=_without_paths(config),
    )


def _without_paths(config: AnyConfig) -> dict[str, Any]:
    """Returns the configuration as a tree; where things stood says nothing to a record's reader."""
    tree = config.model_dump(mode="json", by_alias=True)
    for path in PATHS:
        section, key = path.split(".")
        del tree[section][key]
    return tree
