"""Networks of finished runs by name: what a method returned, what a phase ended with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reid_srdl.config import AnyConfig
from reid_srdl.errors import UserError
from reid_srdl.files import file_digest
from reid_srdl.jobs.networks import network_of
from reid_srdl.methods import KNOWN
from reid_srdl.models import ONNX
from reid_srdl.models.network import Network
from reid_srdl.records.analyses import Subject
from reid_srdl.records.belonging import origin_of, read_run
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.kept import kept_parts
from reid_srdl.records.run import NetworkRecord, Phase
from reid_srdl.training.checkpoint import network_in


@dataclass(frozen=True)
class Named:
    """A network of a finished run.

    Attributes:
        network: on the CPU.
        subject: what a record says of it.
        config: the run's configuration.
        folder: the run's folder.
        record: the run's record.
        classes: the names of what its logits stand for, in their order.
    """

    network: Network
    subject: Subject
    config: AnyConfig
    folder: RunFolder
    record: NetworkRecord
    classes: tuple[str, ...]


def named_network(text: str) -> Named:
    """Loads ``RUN`` or ``RUN:NAME``; alone, the run's result is meant.

    Args:
        text: the run's folder, and the name of a network that the method returned or of a ``fit``
            phase, e.g. ``runs/a:first`` or ``runs/a:first.ema``.

    Raises:
        UserError: no finished run, or it has no network of this name.
    """
    run, name = _parted(text)
    folder = RunFolder(run)
    config, record = read_run(folder, KNOWN)
    name = name or record.network
    weights = folder.weights(name)
    if weights.is_file():
        network, model, path = network_of(folder, record, name), record.model, weights
        classes = origin_of(folder, record, name).classes
    else:
        network, model, path = _of_phase(folder, record, name)
        classes = _all_classes(folder, record, name, network)
    subject = Subject(
        run=record.name,
        network=name,
        model=model,
        method=record.label,
        dataset=record.dataset.name,
        seed=record.seed,
        weights=file_digest(path),
    )
    return Named(network, subject, config, folder, record, classes)


def movable_network(text: str) -> Named:
    """Loads a network whose weights an analysis moves.

    Raises:
        UserError: as `named_network`; or it is an ONNX file, whose weights stay as they are.
    """
    named = named_network(text)
    if named.network.spec.name == ONNX:
        raise UserError(
            f"{text}: an ONNX file, whose weights cannot be moved",
            "name a run that was trained here, or import the network's weights",
        )
    return named


def kept_file(named: Named, kind: str) -> Path:
    """Returns the file below ``RUN/analyses`` that records an analysis of a network."""
    own = named.subject.network
    return named.folder.analysis(kind if own == named.record.network else f"{kind}-{own}")


def phase_file(folder: RunFolder, phase: Phase) -> Path | None:
    """Returns the newest file of a record's ``fit`` phase; None where it is gone."""
    stem = f"{phase.name}-{phase.key[:16]}"
    return max(folder.phases.glob(f"{stem}.*.safetensors"), default=None)


def _all_classes(
    folder: RunFolder, record: NetworkRecord, name: str, network: Network
) -> tuple[str, ...]:
    """Returns the names of the classes of a phase's network: all that the run was trained on.

    Raises:
        UserError: it knows some of them only, and its file does not say which.
    """
    classes = origin_of(folder, record, record.network).among
    if network.spec.classes != len(classes):
        raise UserError(
            f"{folder.path}: {name!r} knows {network.spec.classes:,} of the run's {len(classes):,} "
            "classes, and a phase's file does not name them",
            "name a network that the method returned",
        )
    return classes


def _parted(text: str) -> tuple[Path, str | None]:
    run, colon, name = text.rpartition(":")
    if Path(text).is_dir() or not colon or not name:
        return Path(text), None
    return Path(run), name


def _of_phase(folder: RunFolder, record: NetworkRecord, name: str) -> tuple[Network, str, Path]:
    fits = {
        member: phase for phase in record.phases if phase.kind == "fit" for member in phase.networks
    }
    own, kind = (name, None) if name in fits else kept_parts(name)
    if own not in fits:
        returned = [known for known in record.results if folder.weights(known).is_file()]
        known = ", ".join(dict.fromkeys((*returned, *fits)))
        raise UserError(
            f"{folder.path}: the run has no network {name!r}", f"name one of {known}", usage=True
        )
    path = phase_file(folder, fits[own])
    if path is None:
        raise UserError(
            f"{folder.phases}: the weights of phase {own!r} are gone", "train the run again"
        )
    return network_in(path, fits[own].key, own, kind), fits[own].networks[own].model, path
