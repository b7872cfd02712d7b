"""A finished run as a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.models.build import file_digest
from reid_srdl.models.network import Network
from reid_srdl.models.weights import load_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.store import read_record


@dataclass(frozen=True)
class Teacher:
    """The network of a finished run.

    Attributes:
        network: its result.
        name: the network's name, e.g. ``wrn-28-10``.
        dataset: the data set that it was trained on.
        digest: SHA-256 of its weights file.
        trcost: what its training cost, 10^16.
    """

    network: Network
    name: str
    dataset: str
    digest: str
    trcost: float


def read_teacher(run: Path, *, classes: int) -> Teacher:
    """Reads the result of a finished run.

    Args:
        run: the run's folder.
        classes: C of the student; a teacher's logits must be as many.

    Raises:
        UserError: no finished run, no weights in it, or another number of classes.
    """
    record = read_record(run)
    weights = RunFolder(run).weights(next(iter(record.results)))
    network = load_network(weights)
    if network.classes != classes:
        raise UserError(
            f"{run}: this teacher tells {network.classes:,} classes apart, the student {classes:,}",
            "name a teacher that was trained on the same classes",
        )
    digest = file_digest(weights)
    return Teacher(network, record.model, record.dataset.name, digest, record.cost.trcost)
