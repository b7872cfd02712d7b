"""How a run ends: what is judged and written, and what a finished one says when asked again."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

import torch

from reid_srdl.analysis.cost import multiply_accumulates
from reid_srdl.config import AnyConfig, EvalConfig
from reid_srdl.errors import FileError
from reid_srdl.files import write_text
from reid_srdl.group.processes import Group
from reid_srdl.jobs.listener import Listener
from reid_srdl.jobs.opening import Known, Opened
from reid_srdl.jobs.people import drawn_split
from reid_srdl.models.build import build
from reid_srdl.models.origin import Origin
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.belonging import check_record
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_record
from reid_srdl.tasks.task import Judged, Piece
from reid_srdl.training.phases import Phase
from reid_srdl.training.trainer import Trainer
from reid_srdl.training.values import Model


def finished(
    folder: RunFolder, config: AnyConfig, known: Known, listener: Listener, group: Group
) -> RunRecord | None:
    """Returns the run's record where process 0 finds it finished."""
    record = _whole(folder, config, known, listener) if group.rank == 0 else None
    told = group.texts("" if record is None else "finished")[0]
    return read_record(folder.path) if told and record is None else record


def _whole(
    folder: RunFolder, config: AnyConfig, known: Known, listener: Listener
) -> RunRecord | None:
    """Returns the run's record, if it holds all that the configuration asks for, and says so.

    A run whose data have moved remembers the new place, where its folder can be written to.
    """
    if not folder.record.exists():
        return None
    record = read_record(folder.path)
    check_record(folder, config, record)
    if config.eval.enabled and not all(record.results.values()):
        return None
    with contextlib.suppress(FileError):
        folder.begin(config, known.trained_on, drawn_split(known.found))
    listener.noted(
        f"{folder.path}: finished on {record.created:%Y-%m-%d at %H:%M} UTC, on the same data "
        f"({known.trained_on.folder}); nothing is left to do"
    )
    return record


def origin_of(run: str, seed: int, known: Known, name: str, model: Model) -> Origin:
    """Returns what the weights file of a network says of where it comes from."""
    classes = known.found.classes
    return Origin(
        run=run,
        network=name,
        experiment=known.trained_on.experiment,
        seed=seed,
        classes=classes if model.view is None else model.view.classes,
        among=classes,
    )


def write_again(
    folder: RunFolder,
    config: AnyConfig,
    known: Known,
    phases: Sequence[Phase],
    listener: Listener,
) -> None:
    """Writes what a folder said of its run, where somebody deleted it during the training."""
    listener.warned(f"{folder.path}: was deleted during the training; its files are written again")
    folder.begin(config, known.trained_on, drawn_split(known.found))
    rows = [row.model_dump_json() for phase in phases for row in phase.rows]
    write_text(folder.metrics, "".join(f"{row}\n" for row in rows), "the metrics")


def judge(
    opened: Opened, trainer: Trainer, models: Mapping[str, Model], how: EvalConfig
) -> dict[str, Judged | None]:
    """Evaluates what the method returned, and ensembles of it."""
    if not how.enabled:
        return dict.fromkeys((*models, *opened.plan.ensembles))
    ensembles = {
        ensemble: [
            models[name] if name in models else trainer.fitted(name) for name in ensemble.split("+")
        ]
        for ensemble in opened.plan.ensembles
    }
    return dict(opened.task.judge(models, ensembles))


def judging_of(opened: Opened, how: EvalConfig) -> list[Piece]:
    """Returns what `judge` will do, in pieces whose work is counted."""
    if not how.enabled:
        return []
    plan, images, work = opened.plan, Counter[str](), Counter[str]()
    specs = {name: spec for phase in plan.phases for name, spec in phase.specs.items()}
    specs |= {name: model.spec for name, model in plan.returned.items()}
    members = {name for ensemble in plan.ensembles for name in ensemble.split("+")}
    for name in {*plan.returned, *members}:
        spec = specs.get(name, plan.setting.network)
        macs = _macs(spec, plan.setting.data.size) * (2 if how.flip else 1)
        for piece, count in opened.task.passes(name).items():
            images[piece] += count
            work[piece] += count * macs
    return [Piece(name, count, work[name]) for name, count in images.items() if count]


@cache
def _macs(spec: NetworkSpec, size: tuple[int, int]) -> int:
    with torch.device("meta"):
        network = build(spec, seed=0)
    return multiply_accumulates(network, *size, network.channels)
