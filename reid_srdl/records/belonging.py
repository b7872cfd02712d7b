"""Whether what stands in a run's folder is that run's, and whether classes are the same by name.

Files are copied between folders, and cut. What is not the run's own is named, never used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reid_srdl.config import AnyConfig, MethodOptions
from reid_srdl.errors import UserError
from reid_srdl.models.origin import Origin
from reid_srdl.models.spec_files import read_origin
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import ImportedRecord, NetworkRecord, RunRecord
from reid_srdl.records.store import read_network_record

_NAMED = 6  # classes in a message


def read_run(
    folder: RunFolder, methods: Mapping[str, type[MethodOptions]]
) -> tuple[AnyConfig, NetworkRecord]:
    """Reads the configuration and record of a run or an imported network, and checks the pair.

    Raises:
        UserError: no finished run, a damaged file, or one of another run.
    """
    config, record = folder.read_config(methods), read_network_record(folder.path)
    check_record(folder, config, record)
    return config, record


def check_record(folder: RunFolder, config: AnyConfig, record: NetworkRecord) -> None:
    """Checks that a record is of the run of its folder.

    Raises:
        UserError: it says of the run what its other files do not.
    """
    told: dict[str, tuple[object, object]] = {
        "data.name": (record.dataset.name, config.data.name),
        "model.name": (record.model, config.model.name),
    }
    if isinstance(record, RunRecord):
        told |= {
            "train.seed": (record.seed, config.train.seed),
            "train.epochs": (record.epochs, config.train.epochs),
            "train.precision": (record.device.precision, config.train.precision),
        }
    known, content = folder.read_trained_on(), record.dataset.content
    if known is not None:
        told["experiment"] = (record.experiment, known.experiment)
        if content is not None:
            told["the training images"] = (content.train, known.train.digest)
            told["the test images"] = (content.test, known.test.digest)
    for what, (said, true) in told.items():
        if said != true:
            raise UserError(
                f"{folder.record}: the record of another run: {what} is {said}, the run's {true}",
                "delete it and give the same reid-srdl train command again: phases are read back",
            )


def check_weights(path: Path, origin: Origin, record: NetworkRecord, network: str) -> None:
    """Checks that a weights file is the network of the run of its folder.

    Args:
        path: the file.
        origin: what it says of itself.
        record: the run's record.
        network: the network's name in the run.

    Raises:
        UserError: it is of another run.
    """
    ours = (record.name, record.experiment, record.seed, network)
    theirs = (origin.run, origin.experiment, origin.seed, origin.network)
    if ours != theirs:
        of = f"{path}: the weights of another run: {origin.network} of {origin.run}"
        if isinstance(record, ImportedRecord):
            raise UserError(f"{of}, not {network} of {record.name}", "import the file again")
        raise UserError(
            f"{of} (seed {origin.seed}), not {network} of {record.name} (seed {record.seed})",
            f"restore the file, or delete it with {path.parent.parent / 'record.json'} and give "
            "the same reid-srdl train command again: phases are read back",
        )


def origin_of(folder: RunFolder, record: NetworkRecord, network: str) -> Origin:
    """Returns what a run's weights file says of itself, having seen that it is the run's.

    Raises:
        UserError: it is missing, foreign, or of another run.
    """
    path = folder.weights(network)
    origin = read_origin(path)
    check_weights(path, origin, record, network)
    return origin


def check_classes(what: str, ours: Sequence[str], other: str, theirs: Sequence[str]) -> None:
    """Checks that two sides know the same classes, by name and in the same order.

    Args:
        what, ours: one side and its classes, e.g. "runs/a".
        other, theirs: the other side, e.g. "the data".

    Raises:
        UserError: they do not; the classes that differ are named.
    """
    if tuple(ours) == tuple(theirs):
        return
    told = " and ".join(
        f"{side} alone knows {named}"
        for side, names in (
            ("it", [name for name in ours if name not in set(theirs)]),
            (other, [name for name in theirs if name not in set(ours)]),
        )
        if (named := _some(names))
    )
    raise UserError(
        f"{what} has other classes than {other}: {told or 'the same ones in another order'}",
        "use data, runs and teachers of the same classes: they are matched by name",
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more
