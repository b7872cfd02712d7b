"""One run, from a configuration to its record: data, model, the method's program, evaluation."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reid_srdl.config import AnyConfig, placed, sets_of
from reid_srdl.data.copies import copies_in
from reid_srdl.errors import UserError
from reid_srdl.group.processes import Alone, Group
from reid_srdl.jobs.before import check_room
from reid_srdl.jobs.computing import compute_of
from reid_srdl.jobs.ending import finished, judge, judging_of, origin_of, write_again
from reid_srdl.jobs.keeping import keep_ranks
from reid_srdl.jobs.listener import Listener, Silence
from reid_srdl.jobs.opening import (
    Known,
    Opened,
    as_begun,
    identify,
    on_threads,
    open_run,
    resolve_run,
    run_folder,
    with_fastest_threads,
)
from reid_srdl.jobs.people import drawn_split
from reid_srdl.jobs.rehearsal import run_program
from reid_srdl.jobs.sharing import sharing_of, store_of
from reid_srdl.jobs.starting import keep_start
from reid_srdl.jobs.summary import summarise
from reid_srdl.jobs.threads import named_or_kept
from reid_srdl.jobs.together import (
    check_alike,
    check_seen,
    check_shareable,
    code_and_configuration,
    data_digest,
    own_compute,
    told_of_statistics,
)
from reid_srdl.methods import OPTIONS
from reid_srdl.models.weights import save_network
from reid_srdl.places import StrPath, as_path
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_record, write_record
from reid_srdl.seals import sealed
from reid_srdl.training.metrics_log import MetricsLog
from reid_srdl.training.monitor import Monitor, Monitors
from reid_srdl.training.precision import Compute
from reid_srdl.training.sharing import Sharing
from reid_srdl.training.tensorboard import TensorBoardLog
from reid_srdl.training.trainer import Trainer
from reid_srdl.training.values import Model

_FROM_RANDOM = "weights are drawn at random; papers start from ImageNet weights: --init imagenet"
_SHARES_NOTHING = "several processes train each phase themselves: they share none with other runs"


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
    config = as_begun(config)
    asked, compute = config, compute_of(config, listener.noted)
    compute = own_compute(compute, config.train.threads, group)
    config = resolve_run(config, compute)
    if group.size > 1:
        check_alike(group, code_and_configuration(config))
    folder = run_folder(config.run)
    folder.check_same(config, OPTIONS)
    threads = named_or_kept(asked.train.threads, folder) if group.size == 1 else compute.threads
    config, compute = on_threads(config, compute, threads or compute.threads)
    known = identify(config, listener)
    if group.size > 1:
        check_alike(group, {"training data": data_digest(known.trained_on)})
    folder.check_content(known.trained_on)
    if (record := finished(folder, config, known, listener, group)) is not None:
        return record

    opened = open_run(config, compute, known, listener, group)
    run = _Run(config, compute, folder, known, opened, listener, group)
    run = run.checked(timed=threads is None)
    locked = folder.locked() if group.rank == 0 else contextlib.nullcontext()
    with locked, run.compute.activated():
        folder.check_same(run.config, OPTIONS)  # again: another process may have been here
        folder.check_content(known.trained_on)
        if (record := finished(folder, run.config, known, listener, group)) is not None:
            return record
        return run.conducted(tensorboard)


@dataclass(frozen=True)
class _Run:
    """A run whose data are open and whose plan is made."""

    config: AnyConfig
    compute: Compute
    folder: RunFolder
    known: Known
    opened: Opened
    listener: Listener
    group: Group

    def checked(self, *, timed: bool) -> _Run:
        """Returns the run with the threads that it takes; says what is worth a line beforehand.

        Args:
            timed: threads that nobody named are those that are fastest now.
        """
        check_room(self.opened.plan, self.folder.path)
        if (store := store_of(self.config.run, self.config.method)) is not None:
            if self.group.size > 1:
                self.listener.noted(_SHARES_NOTHING)
            else:
                store.check()
        for found in copies_in(self.known.found.data) if self.group.rank == 0 else ():
            self.listener.warned(found.line)
        random = self.known.weights is None and self.config.model.start is None
        if self.opened.task.facts.task == "reid" and random:
            self.listener.noted(_FROM_RANDOM)
        run = self._timed() if timed else self
        trained = {spec for phase in run.opened.plan.phases for spec in phase.specs.values()}
        batch = self.config.optim.batch_size
        if (line := told_of_statistics(trained, run.compute, batch, self.group)) is not None:
            self.listener.noted(line)
        judging = judging_of(run.opened, self.config.eval)
        self.listener.planned(run.opened.plan.phases, judging)
        return run

    def conducted(self, tensorboard: bool) -> RunRecord:
        """Trains, judges and writes; the folder is locked."""
        if self.group.rank == 0:
            self.folder.begin(self.config, self.known.trained_on, drawn_split(self.known.found))
            keep_start(self.config.model, self.config.run)
        check_seen(self.folder, self.group)
        sharing = None
        if self.group.size == 1:
            told = self.listener.noted, self.listener.warned
            sharing = sharing_of(self.config, self.opened.plan.setting, self.compute, *told)
        events = TensorBoardLog(self.folder.path) if tensorboard else None
        trainer = self._trainer(sharing, events)
        models = run_program(self.config.method, trainer, self.config.train.epochs)
        if self.group.rank == 0:
            self._write_networks(trainer, models)
        judged = judge(self.opened, trainer, models, self.config.eval)
        if self.group.rank > 0:
            self.group.meet()  # process 0 ranks and writes meanwhile
            return read_record(self.folder.path)
        record = summarise(
            self.config,
            self.opened.plan,
            compute=self.compute,
            judged=judged,
            facts=self.opened.task.facts,
            phases=trainer.phases,
            created=datetime.datetime.now(datetime.UTC),
            taken=sharing.taken if sharing else {},
        )
        keep_ranks(self.folder.path, record.evaluations, judged)
        if events is not None:
            for one in record.evaluations:
                events.evaluated(one.network, one.result.model_dump() if one.result else {})
            events.close()
        write_record(self.folder.path, record)
        self.group.meet()
        return record

    def _write_networks(self, trainer: Trainer, models: Mapping[str, Model]) -> None:
        folder, run = self.folder, self.config.run.name
        assert run is not None
        if not folder.config.exists():
            write_again(folder, self.config, self.known, trainer.phases, self.listener)
        for name, model in models.items():
            origin = origin_of(run, self.config.train.seed, self.known, name, model)
            with sealed(folder.weights(name)):
                save_network(folder.weights(name), model.network, origin)
        with sealed(folder.metrics):
            pass  # it is whole now

    def _timed(self) -> _Run:
        config, compute, opened = with_fastest_threads(
            self.config, self.compute, self.known, self.opened, self.listener
        )
        return replace(self, config=config, compute=compute, opened=opened)

    def _trainer(self, sharing: Sharing | None, events: Monitor | None) -> Trainer:
        config, opened = self.config, self.opened
        log = (MetricsLog(self.folder.metrics),) if self.group.rank == 0 else ()
        return Trainer(
            opened.plan.setting,
            training_set=opened.task.training_set,
            compute=self.compute,
            folder=self.folder.phases,
            monitor=Monitors(*log, self.listener, *([] if events is None else [events])),
            weights=opened.weights,
            origin=keep_start(config.model, config.run),
            extract_batch=config.eval.batch_size,
            checkpoint_seconds=60 * config.train.checkpoint_minutes,
            judge=opened.task.judge_epoch,
            watch=config.watch.gradients,
            sharing=sharing,
            group=self.group,
        )


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
