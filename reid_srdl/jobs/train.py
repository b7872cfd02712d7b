"""One run, from a configuration to its record: data, model, the method's program, evaluation."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from reid_srdl.config import AnyConfig, fingerprint, placed, sets_of
from reid_srdl.data.augment import check_pad
from reid_srdl.data.scratch import scratch_cache
from reid_srdl.errors import FileError, UserError
from reid_srdl.files import write_text
from reid_srdl.group.processes import Alone, Group
from reid_srdl.jobs.before import (
    bytes_of,
    bytes_of_phases,
    check_evaluable,
    check_networks,
    check_room,
)
from reid_srdl.jobs.first_weights import told_of_weights
from reid_srdl.jobs.identity import check_source, named_teachers, trained_on
from reid_srdl.jobs.keeping import keep_ranks
from reid_srdl.jobs.people import drawn_split
from reid_srdl.jobs.planning import RunPlan, measured_seconds, plan_run
from reid_srdl.jobs.rehearsal import rehearse, run_program, told_as_own
from reid_srdl.jobs.sharing import sharing_of, store_of
from reid_srdl.jobs.starting import keep_start
from reid_srdl.jobs.summary import known_before, summarise
from reid_srdl.jobs.threads import fastest_threads, named_or_kept
from reid_srdl.jobs.together import (
    check_alike,
    check_seen,
    check_shareable,
    code_and_configuration,
    data_digest,
    own_compute,
    told_of_statistics,
)
from reid_srdl.methods import OPTIONS, own
from reid_srdl.models.build import (
    check_network,
    check_weights,
    find_imagenet_weights,
    find_weights,
)
from reid_srdl.models.changes.asked import changes_of
from reid_srdl.models.origin import Origin
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.weights import save_network
from reid_srdl.places import StrPath, as_path
from reid_srdl.records.belonging import check_record
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_record, write_record
from reid_srdl.records.trained_on import TrainedOn
from reid_srdl.seals import sealed
from reid_srdl.tasks import open_task
from reid_srdl.tasks.data import TaskData, read_data
from reid_srdl.tasks.task import Judged, Task
from reid_srdl.training.metrics_log import MetricsLog
from reid_srdl.training.monitor import EpochRow, Monitor, Monitors, Progress
from reid_srdl.training.phases import Phase
from reid_srdl.training.precision import Compute, choose
from reid_srdl.training.sharing import Sharing
from reid_srdl.training.tensorboard import TensorBoardLog
from reid_srdl.training.trainer import Trainer
from reid_srdl.training.values import Model

_FROM_RANDOM = "weights are drawn at random; papers start from ImageNet weights: --init imagenet"
_SHARES_NOTHING = "several processes train each phase themselves: they share none with other runs"
# What a record says of a phase's networks that no plan can: what they learned and came to.
_LEARNED = ("loss", "accuracy", "ce", "marks")
_JUDGED = ("validation", "best")


class Listener(Monitor, Protocol):
    """A monitor that is told of the plan and of the work around the training, too."""

    def planned(self, phases: Sequence[Phase]) -> None:
        """These phases will be gone through, with their work."""

    def noted(self, line: str) -> None:
        """Something worth a line was found."""

    def steps(self, what: str, done: int, total: int) -> None:
        """Some of ``total`` pieces of ``what`` are done."""


class Silence:
    """A listener that shows nothing."""

    def planned(self, phases: Sequence[Phase]) -> None: ...
    def phase_opened(self, name: str, share: float, rows: list[EpochRow]) -> None: ...
    def progressed(self, progress: Progress) -> None: ...
    def epoch_finished(self, row: EpochRow) -> None: ...
    def warned(self, line: str) -> None: ...
    def noted(self, line: str) -> None: ...
    def steps(self, what: str, done: int, total: int) -> None: ...


def train(
    config: AnyConfig,
    listener: Listener | None = None,
    group: Group | None = None,
    *,
    tensorboard: bool = False,
) -> RunRecord:
    """Trains, evaluates and records one run; a run that was stopped goes on where it was.

    Args:
        config: the experiment; ``auto`` values are resolved here and kept in the run's folder.
        listener: told of the progress.
        group: the processes that train it together, each of which calls this; process 0 writes.
        tensorboard: write events for TensorBoard into the run's folder, too.

    Returns:
        The run's record, read back where the run was finished already.

    Raises:
        UserError: data that cannot be read, a folder of another run, a run that another process
            is writing to, a phase that asks for what it cannot have, a loss that is not finite;
            processes that cannot share a batch, or whose code, configuration or data differ.
    """
    listener, group = listener or Silence(), group or Alone()
    check_shareable(config, group)
    asked, compute = config, own_compute(_choose(config), config.train.threads, group)
    config = resolve_run(config, compute)
    if group.size > 1:
        check_alike(group, code_and_configuration(config))
    folder = run_folder(config)
    folder.check_same(config, OPTIONS)
    threads = named_or_kept(asked, folder) if group.size == 1 else compute.threads
    config, compute = _on_threads(config, compute, threads or compute.threads)
    known = _identify(config, listener)
    if group.size > 1:
        check_alike(group, {"training data": data_digest(known.trained_on)})
    folder.check_content(known.trained_on)
    if (record := _finished(folder, config, known, listener, group)) is not None:
        return record

    opened = _open(config, compute, known, listener)
    check_room(opened.plan, folder.path)
    if (store := store_of(config)) is not None:
        if group.size > 1:
            listener.noted(_SHARES_NOTHING)
        else:
            store.check()
    if opened.task.facts.task == "reid" and known.weights is None and config.model.start is None:
        listener.noted(_FROM_RANDOM)
    if threads is None:
        config, compute, opened = _timed(config, compute, known, opened, listener)
    trained = {spec for phase in opened.plan.phases for spec in phase.specs.values()}
    batch = config.optim.batch_size
    if (line := told_of_statistics(trained, compute, batch, group)) is not None:
        listener.noted(line)
    listener.planned(opened.plan.phases)
    locked = folder.locked() if group.rank == 0 else contextlib.nullcontext()
    with locked, compute.activated():
        folder.check_same(config, OPTIONS)  # again: another process may have been here meanwhile
        folder.check_content(known.trained_on)
        if (record := _finished(folder, config, known, listener, group)) is not None:
            return record
        if group.rank == 0:
            folder.begin(config, known.trained_on, drawn_split(known.found))
            keep_start(config)
        check_seen(folder, group)
        sharing = None
        if group.size == 1:
            told = listener.noted, listener.warned
            sharing = sharing_of(config, opened.plan.setting, compute, *told)
        events = TensorBoardLog(folder.path) if tensorboard else None
        trainer = _trainer(config, opened, compute, folder, listener, group, sharing, events)
        models = run_program(config, trainer, config.train.epochs)
        if group.rank > 0:
            group.meet()  # process 0 judges and writes meanwhile
            return read_record(folder.path)
        if not folder.config.exists():
            _write_again(folder, config, known, trainer.phases, listener)
        for name, model in models.items():
            origin = _origin(config, known, name, model)
            with sealed(folder.weights(name)):
                save_network(folder.weights(name), model.network, origin)
        with sealed(folder.metrics):
            pass  # it is whole now
        judged = _judged(opened, trainer, models, config)
        record = summarise(
            config,
            opened.plan,
            compute=compute,
            judged=judged,
            facts=opened.task.facts,
            phases=trainer.phases,
            created=datetime.datetime.now(datetime.UTC),
            taken=sharing.taken if sharing else {},
        )
        keep_ranks(folder.path, record.evaluations, judged)
        if events is not None:
            for one in record.evaluations:
                events.evaluated(one.network, one.result.model_dump() if one.result else {})
            events.close()
        write_record(folder.path, record)
        group.meet()
    return record


def resume(
    path: StrPath,
    listener: Listener | None = None,
    *,
    device: str | None = None,
    data_dirs: Sequence[StrPath] = (),
    tensorboard: bool = False,
    group: Group | None = None,
) -> RunRecord:
    """Goes on with the run in a folder, by the configuration that it keeps.

    Args:
        path: the run's folder.
        listener: told of the progress.
        device: another device than the run began on.
        data_dirs: where the same data stand now, if elsewhere; the run remembers it. Of a joint
            set one place for all, or one for each.
        tensorboard: as in `train`.
        group: as of `train`; the run may have begun with another number of processes.

    Raises:
        UserError: the folder holds no run; and what ``train`` raises.

    >>> resume("runs/small").status  # doctest: +SKIP
    'finished'
    """
    path = as_path(path).resolve()
    config = RunFolder(path).read_config(OPTIONS)
    shared = config.run.shared
    if shared is not None and not shared.is_dir():
        shared = None  # no run depends on what it shares
    stands = {"dir": path.parent, "name": path.name, "shared": shared}
    place = config.run.model_copy(update=stands)
    here: dict[str, Any] = {"device": device or config.train.device}
    if group is not None and group.size > 1:  # the run's own may be those of a whole machine
        here |= {"threads": None, "device": device or config.train.device.partition(":")[0]}
    where = config.train.model_copy(update=here)
    data = placed(config.data, [as_path(one) for one in data_dirs])
    moved = config.model_copy(update={"run": place, "train": where, "data": data})
    try:
        return train(moved, listener, group, tensorboard=tensorboard)
    except UserError as error:
        if any(place is not None and not place.exists() for _, place in sets_of(data)):
            hint = f"if the data moved: reid-srdl train --resume {path} --data-dir DIR"
            raise UserError(error.what, hint) from None
        raise


def plan(config: AnyConfig, listener: Listener | None = None) -> dict[str, Any]:
    """Returns what ``train`` would do, as plain values under the record's names; writes nothing.

    The time is an estimate, from a few steps of each phase.

    Raises:
        UserError: what ``train`` would refuse before its first step.
    """
    asked, compute = config, _choose(config)
    config = resolve_run(config, compute)
    folder, listener = run_folder(config), listener or Silence()
    folder.check_same(config, OPTIONS)
    threads = named_or_kept(asked, folder)
    config, compute = _on_threads(config, compute, threads or compute.threads)
    with compute.activated(), scratch_cache():
        known = _identify(config, listener)
        folder.check_content(known.trained_on)
        opened = _open(config, compute, known, listener)
        check_room(opened.plan, folder.path)
        if threads is None:
            config, compute, opened = _timed(config, compute, known, opened, listener)
        told = known_before(config, opened.plan, opened.task.facts)
        with told_as_own(config):
            seconds = measured_seconds(opened.plan, opened.task.training_set, compute)
    tree: dict[str, Any] = {key: _plain(value) for key, value in told.items()}
    for phase, disk in zip(tree["phases"], bytes_of_phases(opened.plan), strict=True):
        del phase["seconds"]
        phase["disk"] = disk
        for network in phase["networks"].values():
            for key in (*_LEARNED, *(_JUDGED if config.data.validation else ())):
                del network[key]
    tree["networks"] = [*opened.plan.returned, *opened.plan.ensembles]
    tree["disk"] = bytes_of(opened.plan)
    tree["timing"] = {"seconds": sum(seconds.values()), "phases": seconds}
    return tree


def resolve_run(config: AnyConfig, compute: Compute) -> AnyConfig:
    """Returns the configuration with every ``auto`` and the run's name filled in."""
    machine = {
        "device": str(compute.device),
        "precision": compute.precision,
        "threads": compute.threads,
    }
    directories = {
        "dir": config.data.dir.resolve() if config.data.dir else None,
        "dirs": tuple(place.resolve() for place in config.data.dirs),
    }
    config = config.model_copy(
        update={
            "train": config.train.model_copy(update=machine),
            "data": config.data.model_copy(update=directories),
            "run": config.run.model_copy(
                update={"shared": config.run.shared.resolve() if config.run.shared else None}
            ),
        }
    )
    name = config.run.name or "-".join(
        (
            config.data.name.replace("+", "-"),
            config.model.name.replace(":", "-"),
            own.short(config.method.name).replace(":", "-"),
            f"seed{config.train.seed}",
            fingerprint(config)[:6],
        )
    )
    return config.model_copy(update={"run": config.run.model_copy(update={"name": name})})


def _on_threads(config: AnyConfig, compute: Compute, threads: int) -> tuple[AnyConfig, Compute]:
    train = config.train.model_copy(update={"threads": threads})
    return config.model_copy(update={"train": train}), replace(compute, threads=threads)


def run_folder(config: AnyConfig) -> RunFolder:
    """Returns the folder of a resolved configuration's run."""
    assert config.run.name is not None
    return RunFolder(config.run.dir / config.run.name)


@dataclass(frozen=True)
class _Known:
    """What a run is trained on, before any of it is decoded.

    Attributes:
        found: the data set.
        weights: the file of the network's first weights; None: they are random.
        trained_on: all of it, by content.
    """

    found: TaskData
    weights: Path | None
    trained_on: TrainedOn


def _identify(config: AnyConfig, listener: Listener) -> _Known:
    """Reads what a run would be trained on, cheap things first."""
    check_source(config)
    size = (config.data.height, config.data.width)
    check_pad(*size, config.data.pad)
    check_network(config.model.name, config.model.init, size)
    phases = rehearse(config).phases
    check_networks(config, {spec for phase in phases for spec in phase.specs.values()})
    weights = None
    if config.model.init == "imagenet":
        weights = find_imagenet_weights(config.model.name, config.model.weights)
    elif config.model.weights is not None:
        weights = find_weights(config.model.weights)
        for line in told_of_weights(weights, config):
            listener.noted(line)
    if weights is not None:
        changes, width = changes_of(config.model), config.model.width
        check_weights(NetworkSpec(config.model.name, 2, size, 3, changes, width), weights)
    found = read_data(config, listener.steps)
    for note in found.data.notes:
        listener.noted(note.line)
    teachers = named_teachers(config, found)
    return _Known(found, weights, trained_on(config, found, weights, teachers))


@dataclass(frozen=True)
class _Opened:
    """A run's data and plan, and the file of its first weights."""

    task: Task
    plan: RunPlan
    weights: Path | None


def _open(config: AnyConfig, compute: Compute, known: _Known, listener: Listener) -> _Opened:
    """Opens the data and plans the run; what could not be judged later is refused here."""
    check_evaluable(config, known.found.data, listener.steps)
    task = open_task(config, compute, listener.steps, known.found)
    return _Opened(task, plan_run(config, task, known.weights), known.weights)


def _timed(
    config: AnyConfig, compute: Compute, known: _Known, opened: _Opened, listener: Listener
) -> tuple[AnyConfig, Compute, _Opened]:
    """Lets a new run take the threads that are fastest here and now, and says so."""
    cores = compute.threads
    threads = fastest_threads(opened.plan, opened.task.training_set, compute)
    if threads == cores:
        return config, compute, opened
    config, compute = _on_threads(config, compute, threads)
    listener.noted(f"train.threads: {threads} of {cores} are fastest: others use this machine, too")
    return config, compute, _open(config, compute, known, listener)


def _origin(config: AnyConfig, known: _Known, name: str, model: Model) -> Origin:
    """Returns what the weights file of a network says of where it comes from."""
    assert config.run.name is not None
    classes = known.found.classes
    return Origin(
        run=config.run.name,
        network=name,
        experiment=known.trained_on.experiment,
        seed=config.train.seed,
        classes=classes if model.view is None else model.view.classes,
        among=classes,
    )


def _write_again(
    folder: RunFolder,
    config: AnyConfig,
    known: _Known,
    phases: Sequence[Phase],
    listener: Listener,
) -> None:
    """Writes what a folder said of its run, where somebody deleted it during the training."""
    listener.warned(f"{folder.path}: was deleted during the training; its files are written again")
    folder.begin(config, known.trained_on, drawn_split(known.found))
    rows = [row.model_dump_json() for phase in phases for row in phase.rows]
    write_text(folder.metrics, "".join(f"{row}\n" for row in rows), "the metrics")


def _choose(config: AnyConfig) -> Compute:
    train = config.train
    return choose(
        train.device, train.precision, train.threads, compile=train.compile, graph=train.graph
    )


def _trainer(
    config: AnyConfig,
    opened: _Opened,
    compute: Compute,
    folder: RunFolder,
    listener: Listener,
    group: Group,
    sharing: Sharing | None,
    events: Monitor | None = None,
) -> Trainer:
    log = (MetricsLog(folder.metrics),) if group.rank == 0 else ()
    return Trainer(
        opened.plan.setting,
        training_set=opened.task.training_set,
        compute=compute,
        folder=folder.phases,
        monitor=Monitors(*log, listener, *([] if events is None else [events])),
        weights=opened.weights,
        origin=keep_start(config),
        extract_batch=config.eval.batch_size,
        checkpoint_seconds=60 * config.train.checkpoint_minutes,
        judge=opened.task.judge_epoch,
        watch=config.watch.gradients,
        sharing=sharing,
        group=group,
    )


def _judged(
    opened: _Opened, trainer: Trainer, models: Mapping[str, Model], config: AnyConfig
) -> dict[str, Judged | None]:
    """Evaluates what the method returned, and ensembles of it."""
    if not config.eval.enabled:
        return dict.fromkeys((*models, *opened.plan.ensembles))
    ensembles = {
        ensemble: [
            models[name] if name in models else trainer.fitted(name) for name in ensemble.split("+")
        ]
        for ensemble in opened.plan.ensembles
    }
    return dict(opened.task.judge(models, ensembles))


def _finished(
    folder: RunFolder, config: AnyConfig, known: _Known, listener: Listener, group: Group
) -> RunRecord | None:
    """Returns the run's record where process 0 finds it finished."""
    record = _whole(folder, config, known, listener) if group.rank == 0 else None
    told = group.texts("" if record is None else "finished")[0]
    return read_record(folder.path) if told and record is None else record


def _whole(
    folder: RunFolder, config: AnyConfig, known: _Known, listener: Listener
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


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
