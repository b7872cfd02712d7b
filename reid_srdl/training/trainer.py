"""The verbs that a method's program is written in: new_model, teacher, fit, extract."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reid_srdl.analysis.cost import multiply_accumulates
from reid_srdl.data.batches import TrainingSet
from reid_srdl.errors import UserError
from reid_srdl.models.maker import NetworkMaker
from reid_srdl.models.network import Network
from reid_srdl.seeds import derive
from reid_srdl.training.knowledge import Knowledge, knowledge_in, to_half
from reid_srdl.training.logit_table import BLOCK_BYTES, LogitTable
from reid_srdl.training.loop import Meter, NonFiniteLossError, train_epoch
from reid_srdl.training.losses import Loss
from reid_srdl.training.monitor import Monitor, Progress
from reid_srdl.training.phases import Phase, Phases, phase_key
from reid_srdl.training.precision import Compute
from reid_srdl.training.schedule import Span, StepDecay
from reid_srdl.training.teacher import Teacher, read_teacher

_ROWS_DONE = "rows_done"  # what an extraction's phase remembers; the rows stand beside it


@dataclass(frozen=True)
class Model:
    """A network, the key of the phase that made it, and the network's name."""

    network: Network
    key: str
    name: str


@dataclass(frozen=True)
class Optimisation:
    """SGD with step decay (SRDL paper, section 4.1); each phase starts it afresh."""

    decay: StepDecay
    momentum: float
    nesterov: bool
    weight_decay: float
    batch_size: int

    def sgd(self, network: Network) -> torch.optim.SGD:
        """Returns the optimiser of a network; the learning rate is a tensor on its device."""
        device = next(network.parameters()).device
        return torch.optim.SGD(
            network.parameters(),
            lr=torch.tensor(self.decay.lr, device=device),
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            fused=True,
        )


class Trainer:
    """Trains networks for one seed, in durable phases.

    Args:
        maker: makes the run's networks.
        training_set: the labelled images.
        optimisation: how ``fit`` descends.
        seed: what all random draws derive from.
        compute: device, precision and threads.
        phases: where finished and half-finished phases are kept.
        monitor: told of the progress.
        extract_batch: images of a batch in ``extract``.
        dataset: the data set's name, which a finished run must share to teach; None: any.

    Attributes:
        phases: the run's phases so far.
        teachers: each finished run that served as a teacher, by its weights' digest.
    """

    def __init__(
        self,
        *,
        maker: NetworkMaker,
        training_set: TrainingSet,
        optimisation: Optimisation,
        seed: int,
        compute: Compute,
        phases: Phases,
        monitor: Monitor,
        extract_batch: int = 128,
        dataset: str | None = None,
    ) -> None:
        self._maker = maker
        self._training_set = training_set
        self._optimisation = optimisation
        self._seed = seed
        self._compute = compute
        self.phases = phases
        self._monitor = monitor
        self._extract_batch = extract_batch
        self._macs: dict[str, int] = {}
        self._dataset = dataset
        self.teachers: dict[str, Teacher] = {}

    def new_model(self, draw: str = "init", network: str | None = None) -> Model:
        """Returns a newly initialised model; another ``draw`` is another initialisation.

        Args:
            draw: names the initialisation.
            network: another network than the run's own, by name.

        Raises:
            UserError: no network has this name.
        """
        seed = derive(self._seed, "init", draw)
        made = self._maker.make(seed, network)
        key = phase_key(network=self._maker.key(network), seed=seed)
        return Model(self._placed(made), key, network or self._maker.name)

    def teacher(self, run: Path) -> Model:
        """Returns the network of a finished run, to be extracted from; its cost is counted.

        Raises:
            UserError: no finished run, or one of other classes, data or input size.
        """
        size = self._training_set.images.size
        teacher = read_teacher(run, classes=self._maker.classes, size=size, dataset=self._dataset)
        self.teachers[teacher.digest] = teacher
        return Model(self._placed(teacher.network), f"run:{teacher.digest}", teacher.name)

    def fitted(self, name: str) -> Network:
        """Returns the network that a finished ``fit`` phase of this run ended with.

        Raises:
            UserError: no such phase was finished.
        """
        for phase in self.phases.opened:
            if phase.name == name and phase.kind == "fit" and phase.finished:
                own = None if phase.network == self._maker.name else phase.network
                network = self._placed(self._maker.make(0, own))
                network.load_state_dict(_under(phase.read(), "network."))
                return network
        known = ", ".join(phase.name for phase in self.phases.opened if phase.kind == "fit")
        raise UserError(f"no finished phase {name!r} in this run", f"name one of {known}")

    def _placed(self, network: Network) -> Network:
        return network.to(memory_format=torch.channels_last).to(self._compute.device)

    def fit(
        self, model: Model, *, epochs: int, loss: Loss, name: str, span: Span | None = None
    ) -> Model:
        """Trains a copy of a model; the argument stays as it was. A durable phase.

        Args:
            model: where to start from; optimiser state starts fresh.
            epochs: epochs of this phase.
            loss: what to minimise.
            name: the phase's name; its random draws derive from it.
            span: the part of a learning rate schedule to run through; by default a complete one.

        Raises:
            UserError: the loss is no longer finite.
        """
        span = span or Span(0, epochs)
        phase = self._open(
            name,
            "fit",
            model,
            epochs=epochs,
            loss=loss.key,
            span=span,
            optimisation=self._optimisation,
        )
        network = copy.deepcopy(model.network)
        optimizer = self._optimisation.sgd(network)
        _restore(phase, network, optimizer)
        prepared = self._compute.prepared(network) if len(phase.rows) < epochs else network
        for epoch in range(len(phase.rows), epochs):
            self._fit_epoch(phase, network, prepared, optimizer, loss, epoch, span)
        phase.tensors = {}
        return Model(network, phase.key, model.name)

    def extract(self, model: Model, *, name: str = "knowledge", flip: bool = False) -> Knowledge:
        """Returns a model's logits for every training image, in evaluation mode. A durable phase.

        Args:
            model: whose knowledge is wanted (SRDL paper, Eq 5).
            name: the phase's name.
            flip: average the logits of each image and its mirror image.
        """
        passes = 2 if flip else 1
        phase = self._open(name, "extract", model, passes=passes)
        shape = (len(self._training_set), model.network.classes)
        path = phase.path.with_suffix(".npy")
        table = LogitTable.matching(path, shape)
        if table is None or not phase.tensors:
            table = LogitTable.create(path, shape)
            phase.finished, phase.tensors = False, {_ROWS_DONE: torch.tensor(0)}
        if not phase.finished:
            self._fill(table, phase, model.network, flip)
        phase.tensors = {}
        return knowledge_in(table, self._compute.device, phase.key)

    def _open(self, name: str, kind: str, model: Model, **settings: Any) -> Phase:
        phase = self.phases.open(
            name,
            kind,
            parents=[model.key],
            seed=self._seed,
            data=self._training_set.key,
            pad=self._training_set.pad,
            flip=self._training_set.flip,
            precision=self._compute.precision,
            **({"compile": True} if self._compute.compile else {}),  # else keys as they always were
            **settings,
        )
        phase.network, phase.macs = model.name, self._macs_of(model)
        self._monitor.phase_opened(name, kind, phase.rows)
        return phase

    def _macs_of(self, model: Model) -> int:
        """Counts a network's multiply-accumulates, once for each name."""
        if model.name not in self._macs:
            size = self._training_set.images.size
            self._macs[model.name] = multiply_accumulates(model.network, *size)
        return self._macs[model.name]

    def _fit_epoch(
        self,
        phase: Phase,
        network: Network,
        prepared: nn.Module,
        optimizer: torch.optim.SGD,
        loss: Loss,
        epoch: int,
        span: Span,
    ) -> None:
        """Trains one epoch and puts its checkpoint on the disk."""
        optimisation, images = self._optimisation, self._training_set
        steps = images.steps(optimisation.batch_size)
        first_step, total_steps = (span.start + epoch) * steps, span.total * steps
        torch.manual_seed(derive(self._seed, phase.name, epoch, "network"))  # dropout and its kin
        meter = Meter(
            phase.name,
            epoch + 1,
            phase.epochs,
            steps,
            optimisation.batch_size,
            self._compute.device,
            self._monitor,
        )
        try:
            train_epoch(
                prepared,
                optimizer,
                images.epoch(optimisation.batch_size, self._seed, phase.name, epoch),
                loss,
                lambda step: optimisation.decay.at(first_step + step, total_steps),
                self._compute,
                meter,
            )
        except NonFiniteLossError as error:
            raise _not_finite(error, phase, epoch, steps) from None
        row = meter.row()
        phase.rows.append(row)
        phase.seconds += row.seconds
        finished = epoch + 1 == phase.epochs
        phase.save(_state(network, None if finished else optimizer), finished=finished)
        self._monitor.epoch_finished(row)

    def _fill(self, table: LogitTable, phase: Phase, network: Network, flip: bool) -> None:
        """Extracts the rows that a table lacks; each block that is on the disk is a checkpoint."""
        batch = self._extract_batch
        first = int(phase.tensors[_ROWS_DONE])
        block: list[Tensor] = []
        before, began = phase.seconds, time.perf_counter()
        for logits in self._logits(phase.name, network, flip, first):
            block.append(to_half(logits))
            done = first + sum(map(len, block))
            block_is_full = len(block) * batch * 2 * table.shape[1] >= BLOCK_BYTES
            if block_is_full or done == len(table):
                table.write(first, torch.cat(block))
                first, block = done, []
                phase.seconds = before + time.perf_counter() - began
                state = {_ROWS_DONE: torch.tensor(done)}
                phase.save(state, finished=done == len(table))

    @torch.inference_mode()
    def _logits(self, phase: str, network: Network, flip: bool, first: int) -> Iterator[Tensor]:
        """Yields B x C float32 logits of the clean view, in sample order from ``first`` on."""
        network.eval()
        batch, images = self._extract_batch, self._training_set.images
        steps = -(-len(images) // batch)
        began = time.perf_counter()
        for step, clean in enumerate(images.in_order(batch, first), first // batch + 1):
            with self._compute.autocast():
                logits = network(clean).logits
                if flip:
                    logits = (logits + network(clean.flip(3)).logits) / 2
            seconds = time.perf_counter() - began
            rate = (step * batch - first) / seconds
            self._monitor.progressed(Progress(phase, 1, 1, step, steps, seconds, rate))
            yield logits


def _state(network: Network, optimizer: torch.optim.SGD | None) -> dict[str, Tensor]:
    """Returns what a phase needs to go on: weights and, while unfinished, momentum."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    if optimizer is not None:
        for index, state in optimizer.state_dict()["state"].items():
            if state["momentum_buffer"] is not None:
                tensors[f"momentum.{index}"] = state["momentum_buffer"]
    return tensors


def _restore(phase: Phase, network: Network, optimizer: torch.optim.SGD) -> None:
    """Puts a phase's checkpoint, if it has one, into a network and its optimiser."""
    if not phase.rows:
        return
    network.load_state_dict(_under(phase.tensors, "network."))
    parameters = list(network.parameters())
    for index, buffer in _under(phase.tensors, "momentum.").items():
        parameter = parameters[int(index)]
        # The fused update walks both in memory order, so the buffer needs the parameter's layout.
        optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(buffer)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _not_finite(error: NonFiniteLossError, phase: Phase, epoch: int, steps: int) -> UserError:
    kept = f"the checkpoint of epoch {epoch} is kept" if epoch else "no epoch was finished"
    return UserError(
        f"phase {phase.name!r}: the loss is {error.value} at epoch {epoch + 1}, "
        f"batch {error.step + 1} of {steps} ({kept}: {phase.path})",
        "train under another --name with a lower optim.lr, or with --precision fp32",
    )
