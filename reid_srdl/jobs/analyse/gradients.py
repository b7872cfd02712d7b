"""Reads gradient norms along training from a run's metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from reid_srdl.errors import UserError
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.network_analyses import Gradients
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_record
from reid_srdl.training.monitor import EpochRow


def read_gradients(run: Path, *, place: Place | None = None) -> tuple[list[Gradients], list[Path]]:
    """Returns the gradient norms of each network of each phase that were watched.

    Args:
        run: the folder of a finished run.
        place: where records are kept.

    Returns:
        The norms, and the files under ``RUN/analyses`` that record them.

    Raises:
        UserError: no finished run, metrics that cannot be read, or nothing was watched.
    """
    place = place or Place()
    folder, record = RunFolder(run), read_record(run)
    rows = _rows(folder.metrics)
    names = {(row.phase, name) for row in rows for name, n in row.networks.items() if n.gradients}
    if not names:
        raise UserError(
            f"{run}: no gradients were watched in its training",
            "train it with --set watch.gradients=true",
        )
    found = [
        _gradients(record, rows, *name) for name in dict.fromkeys(_in_order(rows)) if name in names
    ]
    kept = [folder.analysis(f"gradients-{one.network}") for one in found]
    for path, one in zip(kept, found, strict=True):
        place.keep(path, one)
    return found, kept


def _in_order(rows: list[EpochRow]) -> Iterator[tuple[str, str]]:
    return ((row.phase, name) for row in rows for name in row.networks)


def _gradients(record: RunRecord, rows: list[EpochRow], phase: str, network: str) -> Gradients:
    own = [
        (row.epoch, row.networks[network].gradients or {})
        for row in rows
        if row.phase == phase and row.networks[network].gradients
    ]
    layers = tuple(own[0][1])
    return Gradients(
        run=record.name,
        method=record.method.label,
        dataset=record.dataset.name,
        seed=record.seed,
        network=network,
        phase=phase,
        layers=layers,
        epochs=tuple(epoch for epoch, _ in own),
        norms=tuple(tuple(norms[layer] for layer in layers) for _, norms in own),
    )


def _rows(path: Path) -> list[EpochRow]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [EpochRow.model_validate_json(line) for line in lines]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "train the run again") from None
    except (UnicodeDecodeError, ValidationError):
        raise UserError(f"{path}: damaged", "train the run again") from None
