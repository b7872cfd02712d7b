"""An epoch's losses and right answers, gathered on the device without waiting for it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from reid_srdl.training.monitor import EpochRow, NetworkRow, Progress
from reid_srdl.training.step import Answer

_NONE: dict[str, Tensor] = {}
_EVERY = 0.5  # seconds between two looks at the losses


class NonFiniteLossError(Exception):
    """A loss became NaN or infinite; ``step`` counts from 0."""

    def __init__(self, step: int, value: float) -> None:
        super().__init__(f"loss is {value} at step {step}")
        self.step, self.value = step, value


class Meter:
    """Gathers one epoch; its state is part of a checkpoint within the epoch.

    Args:
        phase: name of the phase.
        epoch: the epoch, from 1.
        epochs: the phase's epochs in all.
        steps: batches of the epoch.
        batch_size: images of a batch.
        device: where the losses are.
        layers: of each network whose gradients are watched, in the order of their norms.

    Attributes:
        done: steps so far.
        seconds: wall time of the epoch that earlier processes took.
    """

    def __init__(
        self,
        phase: str,
        epoch: int,
        epochs: int,
        steps: int,
        batch_size: int,
        device: torch.device,
        layers: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.phase, self.epoch, self.epochs = phase, epoch, epochs
        self.steps, self.batch_size = steps, batch_size
        self.done = 0
        self.lr = 0.0
        self.seconds = 0.0
        self._names: dict[str, list[str]] = {}
        self._counted: dict[str, bool] = {}
        self._losses = torch.zeros(0, device=device)
        self._ces = torch.zeros(0, device=device)
        self._correct = torch.zeros(0, dtype=torch.int64, device=device)
        self._layers = layers or {}
        self._gradients = {
            name: torch.zeros(len(own), dtype=torch.float64, device=device)
            for name, own in self._layers.items()
        }
        self._watched = 0
        self._first = 0
        self._began = self._looked = time.perf_counter()

    def add(
        self, answers: Mapping[str, Answer], lr: float, gradients: Mapping[str, Tensor] = _NONE
    ) -> None:
        """Takes in one step's results and its gradients' norms, without waiting for them."""
        for name, norms in gradients.items():
            self._gradients[name] += norms
        self._watched += bool(gradients)
        if not self._names:
            self._names = {name: list(answer.terms) for name, answer in answers.items()}
            self._counted = {name: a.correct is not None for name, a in answers.items()}
            count = sum(map(len, self._names.values()))
            self._losses = self._losses.new_zeros(self.steps, count)
            self._ces = self._ces.new_zeros(self.steps, len(answers))
            self._correct = self._correct.new_zeros(len(answers))
        terms = [term for answer in answers.values() for term in answer.terms.values()]
        self._losses[self.done] = torch.stack(terms)
        for place, answer in enumerate(answers.values()):
            if answer.correct is not None and answer.ce is not None:
                self._correct[place] += answer.correct
                self._ces[self.done, place] = answer.ce
        self.done, self.lr = self.done + 1, lr

    def look(self) -> Progress | None:
        """Returns how far the epoch is, twice a second at most; checks the losses then.

        Raises:
            NonFiniteLossError: as ``check``.
        """
        now = time.perf_counter()
        if now - self._looked <= _EVERY:
            return None
        self._looked = now
        self.check()
        rate = (self.done - self._first) * self.batch_size / (now - self._began)
        return Progress(
            self.phase, self.epoch, self.epochs, self.done, self.steps, rate, self._rows(), self.lr
        )

    def check(self) -> None:
        """Raises NonFiniteLossError at the first step whose loss or cross-entropy is not finite."""
        totals = self._losses[: self.done].sum(dim=1) + 0 * self._ces[: self.done].sum(dim=1)
        bad = (~torch.isfinite(totals)).nonzero()
        if len(bad):
            step = int(bad[0])
            raise NonFiniteLossError(step, float(totals[step]))

    def row(self) -> EpochRow:
        """Returns the finished epoch."""
        return EpochRow(
            phase=self.phase,
            epoch=self.epoch,
            epochs=self.epochs,
            networks=self._rows(),
            lr=self.lr,
            images=self.done * self.batch_size,
            seconds=self.took(),
        )

    def took(self) -> float:
        """Returns the epoch's seconds so far, those of earlier processes included."""
        return self.seconds + time.perf_counter() - self._began

    def _rows(self) -> dict[str, NetworkRow]:
        means = iter(self._losses[: self.done].double().mean(dim=0).tolist())
        images = self.done * self.batch_size
        correct = (self._correct / images).tolist()
        ces = self._ces[: self.done].double().mean(dim=0).tolist()
        return {
            name: NetworkRow(
                terms={term: next(means) for term in terms},
                accuracy=correct[place] if self._counted[name] else None,
                ce=ces[place] if self._counted[name] else None,
                gradients=self._norms(name),
            )
            for place, (name, terms) in enumerate(self._names.items())
        }

    def _norms(self, network: str) -> dict[str, float] | None:
        """Returns the mean norm of each layer's gradients over the steps that were watched."""
        if network not in self._gradients or not self._watched:
            return None
        means = (self._gradients[network] / self._watched).tolist()
        return dict(zip(self._layers[network], means, strict=True))

    def state(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """Returns tensors and facts that ``restore`` takes up again."""
        tensors = {
            "losses": self._losses[: self.done],
            "ces": self._ces[: self.done],
            "correct": self._correct,
            **{f"gradients.{name}": norms for name, norms in self._gradients.items()},
        }
        facts: dict[str, object] = {"names": self._names, "counted": self._counted, "lr": self.lr}
        facts["seconds"] = self.took()
        facts |= {"watched": self._watched} if self._watched else {}
        return tensors, facts

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
        """Goes on where an earlier process stopped within the epoch."""
        before = tensors["losses"]
        self.done = self._first = len(before)
        self._names, self._counted = facts["names"], facts["counted"]  # type: ignore[assignment]
        self.seconds = float(facts["seconds"])  # type: ignore[arg-type]
        # No step may be left to set it: an epoch is kept before its networks are judged, too.
        self.lr = float(facts.get("lr", self.lr))  # type: ignore[arg-type]
        self._losses = self._losses.new_zeros(self.steps, before.shape[1])
        self._losses[: self.done] = before.to(self._losses.device)
        self._ces = self._ces.new_zeros(self.steps, tensors["ces"].shape[1])
        self._ces[: self.done] = tensors["ces"].to(self._ces.device)
        self._correct = tensors["correct"].to(self._correct.device)
        if "watched" in facts and self._gradients:
            self._watched = int(facts["watched"])  # type: ignore[call-overload]
            self._gradients = {
                name: tensors[f"gradients.{name}"].to(norms.device)
                for name, norms in self._gradients.items()
            }
