"""The training loop. It never asks which method it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from reid_srdl.data.batches import Batch
from reid_srdl.training.losses import Loss, Terms
from reid_srdl.training.monitor import EpochRow, Monitor, Progress
from reid_srdl.training.precision import Compute


class NonFiniteLossError(Exception):
    """A loss became NaN or infinite; ``step`` counts from 0."""

    def __init__(self, step: int, value: float) -> None:
        super().__init__(f"loss is {value} at step {step}")
        self.step = step
        self.value = value


def train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    loss: Loss,
    lr_at: Callable[[int], float],
    compute: Compute,
    meter: Meter,
) -> None:
    """Trains a network for one epoch, in place.

    Args:
        network: the network in training mode, on the device.
        optimizer: its learning rate is a tensor, set at each step.
        batches: the epoch's batches, all of one shape.
        loss: maps (output, batch) to named terms, whose sum is minimised.
        lr_at: the learning rate of a step counted from 0 within the epoch.
        compute: precision of the forward pass.
        meter: gathers loss and accuracy on the device.

    Raises:
        NonFiniteLossError: the loss is no longer a number.
    """
    network.train()
    for step, batch in enumerate(batches):
        lr = lr_at(step)
        for group in optimizer.param_groups:
            group["lr"].fill_(lr)

        with compute.autocast():
            output = network(batch.images)
        terms = loss(output, batch)

        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

        meter.add(step, terms, output.logits, batch.labels, lr)
    meter.check()


class Meter:
    """Gathers an epoch's losses and accuracy on the device; reads them twice a second at most.

    Args:
        phase: name of the phase, for the display.
        epoch: the epoch, from 1.
        epochs: the phase's epochs in all.
        steps: batches of the epoch.
        batch_size: images of a batch.
        device: where the losses are.
        monitor: told of the progress.
    """

    def __init__(
        self,
        phase: str,
        epoch: int,
        epochs: int,
        steps: int,
        batch_size: int,
        device: torch.device,
        monitor: Monitor,
    ) -> None:
        self.phase, self.epoch, self.epochs = phase, epoch, epochs
        self.steps, self.batch_size = steps, batch_size
        self.monitor = monitor
        self.done = 0
        self.lr = 0.0
        self.term_names: list[str] = []
        self._losses = torch.zeros(0, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._began = self._told = time.perf_counter()

    def add(self, step: int, terms: Terms, logits: Tensor, labels: Tensor, lr: float) -> None:
        """Takes in one step's results, without waiting for them."""
        if step == 0:
            self.term_names = list(terms)
            self._losses = self._losses.new_zeros(self.steps, len(terms))
        self._losses[step] = torch.stack([term.detach() for term in terms.values()])
        self._correct += (logits.detach().argmax(dim=1) == labels).sum()
        self.done, self.lr = step + 1, lr
        now = time.perf_counter()
        if now - self._told > 0.5:
            self._told = now
            self.check()
            self.monitor.progressed(self._progress(now))

    def check(self) -> None:
        """Raises NonFiniteLossError at the first step whose loss is not finite."""
        totals = self._losses[: self.done].sum(dim=1)
        bad = (~torch.isfinite(totals)).nonzero()
        if len(bad):
            step = int(bad[0])
            raise NonFiniteLossError(step, float(totals[step]))

    def row(self) -> EpochRow:
        """Returns the finished epoch."""
        means = self._losses.double().mean(dim=0).tolist()
        images = self.steps * self.batch_size
        return EpochRow(
            phase=self.phase,
            epoch=self.epoch,
            epochs=self.epochs,
            loss=sum(means),
            terms=dict(zip(self.term_names, means, strict=True)),
            accuracy=self._correct.item() / images,
            lr=self.lr,
            seconds=time.perf_counter() - self._began,
            images=images,
        )

    def _progress(self, now: float) -> Progress:
        images = self.done * self.batch_size
        return Progress(
            phase=self.phase,
            epoch=self.epoch,
            epochs=self.epochs,
            step=self.done,
            steps=self.steps,
            seconds=now - self._began,
            images_per_second=images / (now - self._began),
            loss=float(self._losses[: self.done].sum(dim=1).mean()),
            accuracy=float(self._correct) / images,
            lr=self.lr,
        )
