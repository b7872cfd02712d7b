"""Which network of a run is written for other software."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.jobs.analyse.named_networks import Named, named_network
from reid_srdl.methods import KNOWN
from reid_srdl.models import ONNX
from reid_srdl.records.belonging import read_run
from reid_srdl.records.folder import RunFolder


def subject_of(run: Path, network: str | None) -> Named:
    """Loads a network of a finished run.

    Args:
        run: the run's folder.
        network: its name in the run, or that of a phase; None: the run's result.

    Raises:
        UserError: no finished run, no network of this name in it, or its weights are gone.
    """
    folder = RunFolder(run)
    _, record = read_run(folder, KNOWN)
    name = network or record.network
    members = name.split("+")
    if len(members) > 1:
        raise UserError(
            f"{run}: {name} is an ensemble, not one network",
            f"export each: --network {' and --network '.join(members)}",
            usage=True,
        )
    weights = folder.weights(name)
    if name in record.results and not weights.is_file():
        raise UserError(
            f"{weights}: not there: the run's weights are gone",
            "restore the file, or train the run again",
        )
    named = named_network(f"{run}:{name}")
    if named.network.spec.name == ONNX:
        raise UserError(
            f"{run}: an ONNX file that was imported", "take that file: it is what export writes"
        )
    return named
