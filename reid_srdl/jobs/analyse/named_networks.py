"""Networks of finished runs by name: what a method returned, what a phase ended with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from reid_srdl.config import AnyConfig
from reid_srdl.errors import UserError
from reid_srdl.methods import OPTIONS
from reid_srdl.models.build import build_network, file_digest
from reid_srdl.models.network import Network
from reid_srdl.models.weights import load_network, read_tensors
from reid_srdl.records.analyses import Subject
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import Phase, RunRecord
from reid_srdl.records.store import read_record

_PREFIX = "network."


@dataclass(frozen=True)
class Named:
    """A network of a finished run.

    Attributes:
        network: on the CPU.
        subject: what a record says of it.
        config: the run's configuration.
        folder: the run's folder.
    """

    network: Network
    subject: Subject
    config: AnyConfig
    folder: RunFolder


def named_network(text: str) -> Named:
    """Loads ``RUN`` or ``RUN:NAME``; alone, the run's result is meant.

    Args:
        text: the run's folder, and the name of a network that the method returned or of a ``fit``
            phase, e.g. ``runs/a:first``.

    Raises:
        UserError: no finished run, or it has no network of this name.
    """
    run, name = _parted(text)
    folder = RunFolder(run)
    record, config = read_record(run), folder.read_config(OPTIONS)
    name = name or next(iter(record.results))
    weights = folder.weights(name)
    if weights.is_file():
        network, model, path = load_network(weights), record.model, weights
    else:
        network, model, path = _of_phase(folder, record, config, name)
    subject = Subject(
        run=record.name,
        network=name,
        model=model,
        method=record.method.label,
        dataset=record.dataset.name,
        seed=record.seed,
        weights=file_digest(path),
    )
    return Named(network, subject, config, folder)


def phase_file(folder: RunFolder, phase: Phase) -> Path | None:
    """Returns the file of a record's ``fit`` phase; None where it is gone.

    A folder may hold several phases of a name, from settings that were changed: it is the one whose
    last epoch is the record's.
    """
    for path in sorted(folder.phases.glob(f"{phase.name}-{'[0-9a-f]' * 16}.safetensors")):
        _, facts = read_tensors(path)
        if facts.get("finished") and facts["rows"] and facts["rows"][-1]["terms"] == phase.loss:
            return path
    return None


def phase_network(path: Path, phase: Phase, record: RunRecord, config: AnyConfig) -> Network:
    """Builds the network that a ``fit`` phase ended with.

    Args:
        path: the phase's file.
        phase: what the record says of it.
        record: the run's record.
        config: the run's configuration.

    Raises:
        UserError: the file does not fit the network.
    """
    tensors, _ = read_tensors(path)
    state = {k.removeprefix(_PREFIX): v for k, v in tensors.items() if k.startswith(_PREFIX)}
    model = phase.network or record.model
    classes = record.dataset.classes or record.dataset.identities or 0
    size = (config.data.height, config.data.width)
    network = build_network(model, classes, seed=0, size=size)
    try:
        network.load_state_dict(state)
    except RuntimeError:
        raise UserError(f"{path}: its weights do not fit {model}", "train the run again") from None
    return network.to(memory_format=torch.channels_last)


def _parted(text: str) -> tuple[Path, str | None]:
    run, colon, name = text.rpartition(":")
    if Path(text).is_dir() or not colon or not name:
        return Path(text), None
    return Path(run), name


def _of_phase(
    folder: RunFolder, record: RunRecord, config: AnyConfig, name: str
) -> tuple[Network, str, Path]:
    fits = {phase.name: phase for phase in record.phases if phase.kind == "fit"}
    if name not in fits:
        returned = [known for known in record.results if folder.weights(known).is_file()]
        known = ", ".join(dict.fromkeys((*returned, *fits)))
        raise UserError(
            f"{folder.path}: the run has no network {name!r}", f"name one of {known}", usage=True
        )
    path = phase_file(folder, fits[name])
    if path is None:
        raise UserError(
            f"{folder.phases}: the weights of phase {name!r} are gone", "train the run again"
        )
    network = phase_network(path, fits[name], record, config)
    return network, fits[name].network or record.model, path
