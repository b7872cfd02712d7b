"""The training loop: epochs of steps, checkpoints, signals. It never asks which method it runs."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from reid_srdl.data.batches import Batch, TrainingSet
from reid_srdl.data.samplers import Sampler
from reid_srdl.errors import UserError
from reid_srdl.group.processes import Alone, Group
from reid_srdl.models.network import Network
from reid_srdl.records.cost import Mark
from reid_srdl.seeds import derive
from reid_srdl.training import checkpoint
from reid_srdl.training.averaging import Averages
from reid_srdl.training.gradients import GradientWatch
from reid_srdl.training.interrupts import Interrupts
from reid_srdl.training.joining import Joining
from reid_srdl.training.losses import knowledge_in
from reid_srdl.training.marks import DIVERGED, PoisonedError, check_finite, marks_of
from reid_srdl.training.meter import Meter, NonFiniteLossError
from reid_srdl.training.monitor import EpochRow, Monitor, best_epoch
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.pace import Pace
from reid_srdl.training.parts import Parts, freeze, optimizers_of
from reid_srdl.training.phases import Fit, Phase
from reid_srdl.training.precision import Compute
from reid_srdl.training.step import Step
from reid_srdl.training.synchronised import own_statistics
from reid_srdl.training.values import View

Rows = Callable[[str, Tensor], Tensor]
Judge = Callable[[Network, View | None], float]


@dataclass(frozen=True)
class Loop:
    """What the loop of every phase of a run shares.

    Attributes:
        optimisation: how it descends.
        sampler: which images come together in a batch.
        seed: what all draws derive from.
        compute: device, precision and threads.
        folder: of the run's phases.
        monitor: told of the progress.
        every: seconds between checkpoints within an epoch.
        rows: B x C logits of a table of knowledge, by its key and the samples' index.
        judge: the score of a network, of a view's classes or of all, on the validation part; None:
            there is none.
        watch: the norms of each layer's gradients stand in the metrics.
        group: the processes that train together.
    """

    optimisation: Optimisation
    sampler: Sampler
    seed: int
    compute: Compute
    folder: Path
    monitor: Monitor
    every: float
    rows: Rows
    judge: Judge | None = None
    watch: bool = False
    group: Group = field(default_factory=Alone)


class Fitting:
    """One ``fit`` phase at work.

    Args:
        loop: what all phases share.
        phase: the phase; its rows and seconds are filled in.
        fit: what it trains.
        parts: its networks and modules, on the device, as they begin.
        images: the training set.
    """

    def __init__(
        self, loop: Loop, phase: Phase, fit: Fit, parts: Parts, images: TrainingSet
    ) -> None:
        self._loop, self._phase, self._fit = loop, phase, fit
        self._parts, self._images = parts, images
        self._optimizers = optimizers_of(parts, loop.optimisation)
        self._watch = GradientWatch(parts.networks) if loop.watch else None
        self._averages = Averages(parts, loop.optimisation.ema)
        self._segment: tuple[bool, Step] | None = None
        self._joining = Joining(loop.group, self._wish)
        self._interrupts = Interrupts(self._joining)
        self._resumed: checkpoint.Saved | None = None  # a checkpoint within an epoch
        self._saved = time.monotonic()
        self._pace = Pace()

    def run(self) -> None:
        """Trains what is left of the phase; a finished one is read back.

        Raises:
            UserError: a loss or a weight is no longer finite.
            KeyboardInterrupt: a signal asked for a stop; a checkpoint was written.
        """
        share = self._restore() / max(self._phase.all_steps, 1)
        done = len(self._phase.rows)
        self._loop.monitor.phase_opened(self._phase.name, share, self._phase.rows)
        if done == self._fit.epochs:
            return
        size = self._joining.size
        self._phase.processes.add(size)
        apart = size > 1 and own_statistics(self._parts.networks.values())
        self._phase.norm_parts.add(size if apart else 1)
        with self._interrupts.listening(), self._joining.synchronised(self._parts.networks):
            for epoch in range(done, self._fit.epochs):
                self._epoch(epoch)

    def _epoch(self, epoch: int) -> None:
        """Trains one epoch and puts its checkpoint on the disk."""
        meter = self._begun(epoch)
        try:
            for batch in self._batches(epoch, meter.done):
                lr = self._lr(epoch, meter.done)
                known = self._segment
                step = self._step_at(self._phase.steps_before(epoch) + meter.done)
                self._joining.draws(partial(self._seed, epoch), meter.done)
                with nullcontext() if self._segment is known else self._compiling(meter):
                    answers = step(batch, lr)
                meter.add(answers, lr, step.gradients)
                self._averages.update()
                if slow := self._pace.slowed(len(batch.labels), time.monotonic()):
                    self._loop.monitor.warned(slow)
                if progress := meter.look():
                    self._loop.monitor.progressed(progress)
                self._perhaps_stop(meter)
            meter.check()
        except NonFiniteLossError as error:
            raise self._not_finite(error, epoch) from None
        self._finish(meter)

    @contextmanager
    def _compiling(self, meter: Meter) -> Iterator[None]:
        """Lets a signal end a segment's first step, which may compile for minutes.

        What was done before it is on the disk then; its own work is done again.
        """
        if not self._loop.compute.compile:
            yield
            return
        if meter.done:
            self._save_within(meter)
        with self._interrupts.stopping_at_once():
            yield

    def _step_at(self, done: int) -> Step:
        """Returns what makes a step of the phase, counted from 0; one for each segment of it."""
        frozen = done < self._phase.frozen_steps
        if self._segment is None or self._segment[0] != frozen:
            freeze(self._fit, self._parts, frozen)
            compute, how = self._loop.compute, self._loop.optimisation
            step = Step(
                self._fit,
                self._parts,
                compute,
                self._optimizers,
                how.clip,
                how.max_norm,
                self._watch,
                self._joining,
            )
            self._segment = frozen, step
        return self._segment[1]

    def _begun(self, epoch: int) -> Meter:
        """Returns an epoch's meter, at its beginning or where a checkpoint within it stands."""
        loop, phase = self._loop, self._phase
        device, size = loop.compute.device, loop.optimisation.batch_size
        layers = self._watch.layers if self._watch else None
        steps = phase.steps_of(epoch)
        meter = Meter(phase.name, epoch + 1, self._fit.epochs, steps, size, device, layers)
        torch.manual_seed(derive(loop.seed, phase.name, epoch, "network"))  # dropout and its kin
        if self._resumed is not None:
            checkpoint.restore_within(self._resumed, meter, device)
            self._resumed = None
        return meter

    def _batches(self, epoch: int, first: int) -> Iterator[Batch]:
        """Yields the epoch's batches from a step on, with what the losses read of each sample."""
        tables = {key for loss in self._fit.losses.values() for key in knowledge_in(loss)}
        classes = next(iter(self._fit.models.values())).spec.classes
        whole = self._images.epoch(
            self._loop.optimisation.batch_size,
            self._loop.seed,
            self._phase.name,
            epoch,
            first=first,
            draws=classes if "draws" in self._fit.needs else 0,
            sampler=self._loop.sampler,
            part=self._joining.part,
        )
        for batch in islice(whole, self._phase.steps_of(epoch) - first):
            known = {key: self._loop.rows(key, batch.index) for key in tables}
            yield replace(batch, known=known) if known else batch

    def _lr(self, epoch: int, step: int) -> float:
        """The learning rate of a step, by the fraction of the phase's span that is done."""
        span, phase = self._fit.span, self._phase
        done = phase.steps_before(span.start) + phase.steps_before(epoch) + step
        return self._loop.optimisation.decay.at(done, phase.steps_before(span.total))

    def _finish(self, meter: Meter) -> None:
        """Keeps a finished epoch: what holds NaN never replaces a good checkpoint."""
        phase = self._phase
        self._refuse_poison(meter.epoch)
        row = self._looked_at(meter)
        phase.rows.append(row)
        phase.seconds += row.seconds
        self._save(phase.steps_before(len(phase.rows)), {}, {})
        self._loop.monitor.epoch_finished(row)
        if self._joining.any(self._interrupts.asked is not None):
            self._interrupts.stop()

    def _looked_at(self, meter: Meter) -> EpochRow:
        """Returns the epoch's row, once its networks are judged and marked where that is due.

        A checkpoint stands before, so that a signal need not wait for many forward passes.
        """
        last, every = meter.epoch == self._fit.epochs, self._fit.every
        if not last and (not every or meter.epoch % every):
            return meter.row()
        self._save_within(meter)
        if self._joining.any(self._interrupts.asked is not None):
            self._interrupts.stop()
        with self._interrupts.stopping_at_once():
            row = self._judged(meter.row())
            return self._marked(row) if last else row

    def _judged(self, row: EpochRow) -> EpochRow:
        """Returns an epoch with each network's score on the validation part, where one is due.

        The weights of the best epoch are kept, of equal ones the first's.
        """
        every, judge = self._fit.every, self._loop.judge
        if not every or (row.epoch % every and row.epoch < row.epochs):
            return row
        assert judge is not None, "a plan with a validation part, and nobody who judges by it"
        rows, kept = dict(row.networks), self._parts.kept.get("best", {})
        for name, network in self._parts.networks.items():
            view = self._fit.models[name].view
            score = self._joining.decided(partial(judge, network, view))
            rows[name] = rows[name].model_copy(update={"validation": score})
            before = best_epoch(self._phase.rows, name)
            if name in kept and (before is None or score > before.score):
                kept[name].load_state_dict(network.state_dict())
        if self._segment is not None:  # judging leaves networks in evaluation mode
            freeze(self._fit, self._parts, self._segment[0])
        return row.model_copy(update={"networks": rows})

    def _perhaps_stop(self, meter: Meter) -> None:
        """Writes a checkpoint within the epoch where it is due or a signal asks for a stop."""
        asked, due = self._joining.agreed()
        if meter.done == meter.steps:
            return  # the epoch's own checkpoint follows
        if not asked and not due:
            return
        meter.check()
        self._refuse_poison(meter.epoch)
        self._save_within(meter)
        if asked:
            self._interrupts.stop()

    def _wish(self) -> tuple[bool, bool]:
        """Returns whether a signal asked this process for a stop, and a checkpoint is due by it."""
        due = time.monotonic() - self._saved >= self._loop.every
        return self._interrupts.asked is not None, due

    def _seed(self, epoch: int, step: int, rank: int) -> int:
        return derive(self._loop.seed, self._phase.name, epoch, "network", step, rank)

    def _save_within(self, meter: Meter) -> None:
        """Writes a checkpoint of an epoch whose row is not made yet."""
        done = self._phase.steps_before(len(self._phase.rows)) + meter.done
        self._save(done, *checkpoint.state_within(meter, self._loop.compute.device))

    def _save(self, steps: int, tensors: dict[str, Tensor], facts: dict[str, object]) -> None:
        """Puts the phase's state on the disk; all processes hold it then, and go on together."""
        self._joining.buffers(self._parts.trained().values())
        if self._joining.writes:
            self._write(steps, tensors, facts)
        self._joining.meet()
        self._saved = time.monotonic()

    def _write(self, steps: int, tensors: dict[str, Tensor], facts: dict[str, object]) -> None:
        finished = len(self._phase.rows) == self._fit.epochs
        optimizers = {} if finished else self._optimizers
        state, plain = checkpoint.state_of(self._parts.trained(), optimizers)
        rows = [row.model_dump() for row in self._phase.rows]
        specs = {name: spec.to_json() for name, spec in self._phase.specs.items()}
        facts = {"rows": rows, "finished": finished, "specs": specs, **plain, **facts}
        facts["processes"] = sorted(self._phase.processes)
        facts["norm_parts"] = sorted(self._phase.norm_parts)
        facts["made_in"] = sorted(self._phase.made_in)
        checkpoint.save(self._phase, self._loop.folder, steps, {**state, **tensors}, facts)

    def _restore(self) -> int:
        """Takes up the newest checkpoint that is whole, if any; returns the steps it has done."""
        saved = self._joining.load(self._phase, self._loop.folder, self._loop.monitor.warned)
        if saved is None:
            return 0
        self._phase.processes = set(saved.facts["processes"])
        self._phase.norm_parts = set(saved.facts["norm_parts"])
        self._phase.made_in |= checkpoint.made_in(saved)
        self._phase.rows = [EpochRow.model_validate(row) for row in saved.facts["rows"]]
        self._phase.seconds = saved.facts["seconds"]
        optimizers = {} if saved.facts["finished"] else self._optimizers
        checkpoint.restore_state(saved, self._parts.trained(), optimizers)
        if "meter" in saved.facts:
            self._resumed = saved
        return saved.step

    def _refuse_poison(self, epoch: int) -> None:
        try:
            for name, module in self._parts.trained().items():
                check_finite(name, module)
        except PoisonedError as error:
            raise self._stopped(f"{error} after epoch {epoch}") from None

    def _marked(self, row: EpochRow) -> EpochRow:
        """Returns the last epoch with what is wrong with each network, which is told as well."""
        rows, size = dict(row.networks), self._loop.optimisation.batch_size
        for name, network in self._parts.networks.items():
            try:
                marks = marks_of(network, rows[name], self._images, self._loop.compute, size)
            except PoisonedError as error:
                raise self._stopped(f"{error} after epoch {row.epoch}") from None
            rows[name] = rows[name].model_copy(update={"marks": marks})
            for mark in marks:
                self._loop.monitor.warned(f"phase {row.phase!r}: {name} is {mark}: {_WAYS[mark]}")
        return row.model_copy(update={"networks": rows})

    def _not_finite(self, error: NonFiniteLossError, epoch: int) -> UserError:
        where = f"epoch {epoch + 1}, batch {error.step + 1} of {self._phase.steps_of(epoch)}"
        return self._stopped(f"the loss is {error.value} at {where}")

    def _diverged(self, row: EpochRow) -> bool:
        """Says whether a network's cross-entropy is far beyond that of one that knows nothing."""
        return any(
            own.ce is not None and own.ce > DIVERGED * math.log(network.classes)
            for name, network in self._parts.networks.items()
            if (own := row.networks.get(name)) is not None
        )

    def _stopped(self, why: str) -> UserError:
        """Returns the error whose hint is the command that starts anew from what is good."""
        loop, done = self._loop, len(self._phase.rows)
        run = shlex.quote(str(loop.folder.parent))
        lower = f"--set optim.lr={min(0.3 * loop.optimisation.decay.lr, 0.03):.2g}"
        lost = bool(done) and self._diverged(self._phase.rows[-1])
        if done and not lost:
            kept = f"the checkpoint of epoch {done} is kept"
            origin = f"--from {run}:{self._phase.name}@{done} {lower}"
        else:
            kept = f"epoch {done} had diverged already" if lost else "no epoch was finished"
            config = shlex.quote(str(loop.folder.parent / "config.yaml"))
            origin = f"--config {config} --name {shlex.quote(loop.folder.parent.name)}-2 {lower}"
        return UserError(
            f"phase {self._phase.name!r}: {why} ({kept}: {loop.folder})",
            f"lower optim.lr: reid-srdl train {origin}",
        )


_WAYS: dict[Mark, str] = {
    "at chance": "it learned nothing; try optim.warmup=0.1, or a lower optim.lr",
    "collapsed": "most of its features are the same for all images; try a lower optim.lr",
}
