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
        run: the run's name.
        experiment: fingerprint of its configuration without the seed.
        digest: SHA-256 of its weights file.
        trcost: what its training cost, 10^16.
    """

    network: Network
    name: str
    run: str
    experiment: str
    digest: str
    trcost: float


def read_teacher(
    run: Path, *, classes: int, size: tuple[int, int], dataset: str | None = None
) -> Teacher:
    """Reads the result of a finished run.

    Args:
        run: the run's folder.
        classes: C of the student; a teacher's logits must be as many.
        size: (height, width) of the student's images in pixels.
        dataset: the student's data set; None: any.

    Raises:
        UserError: no finished run, no weights in it, or one that was trained on another data set,
            on another number of classes, or takes images of another size only.
    """
    record = read_record(run)
    if dataset is not None and record.dataset.name != dataset:
        raise UserError(
            f"{run}: this teacher was trained on {record.dataset.name}, not on the student's "
            f"{dataset}",
            "name a teacher that was trained on the same data set",
        )
    weights = RunFolder(run).weights(next(iter(record.results)))
    network = load_network(weights)
    if network.classes != classes:
        raise UserError(
            f"{run}: this teacher tells {network.classes:,} classes apart, the student {classes:,}",
            "name a teacher that was trained on the same classes",
        )
    if network.input_size not in (None, size):
        raise UserError(
            f"{run}: this teacher takes images of {_pixels(network.input_size)}, the student's are "
            f"{_pixels(size)}",
            "set data.height and data.width to the teacher's, or name another teacher",
        )
    digest = file_digest(weights)
    return Teacher(
        network, record.model, record.name, record.experiment, digest, record.cost.trcost
    )


def _pixels(size: tuple[int, int] | None) -> str:
    return " x ".join(map(str, size or ()))
