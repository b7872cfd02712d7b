"""Marks around the parts of a step, for a profile: a clock for each, and a name in a trace.

Marks lie around the step from outside, so that a training has none of them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from reid_srdl.models.network import Output
from reid_srdl.training.step import Answer, Step

PARTS = ("data", "forward", "losses", "backward", "joining", "optimiser", "metrics")


class Clocks:
    """Adds up the seconds of each part.

    A part's clock waits for the device before it starts and before it stops, so that a part has
    what it launched; ``waits`` off leaves the device alone, and the names in a trace are all.

    Args:
        device: where the step computes.

    Attributes:
        seconds: of each part so far; what lies within another part counts there alone.
        waits: see above.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.waits = True
        self._device = device
        self._open: list[str] = []
        self._since = 0.0

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Counts the time within for a part, instead of the one around it."""
        if torch.compiler.is_compiling():  # what is compiled is one part
            yield
            return
        self._turn()
        self._open.append(name)
        try:
            with torch.profiler.record_function(name):
                yield
        finally:
            self._turn()
            self._open.pop()

    def _turn(self) -> None:
        """Gives the time since the last turn to the part that is open."""
        if self.waits and self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


class MarkedStep(Step):
    """A step whose parts are marked.

    Args:
        clocks: they count.
        args, more: as of `Step`.
    """

    def __init__(self, clocks: Clocks, *args: Any, **more: Any) -> None:
        self._clocks = clocks
        super().__init__(*args, **more)

    def __call__(self, batch: Any, lr: float) -> dict[str, Answer]:
        with self._clocks.part("optimiser"):  # sets rates, and gradients free
            return super().__call__(batch, lr)

    def _forward_and_losses(self, batch: Any) -> dict[str, Answer]:
        with self._clocks.part("losses"):
            return super()._forward_and_losses(batch)

    def _run(self, name: str, images: Tensor) -> Output:
        with self._clocks.part("forward"):
            return super()._run(name, images)

    def _consult(self, images: Tensor) -> dict[str, Output]:
        with self._clocks.part("forward"):
            return super()._consult(images)

    def _answer(
        self,
        name: str,
        outputs: Mapping[str, Output],
        frozen: Mapping[str, Output],
        batch: Any,
    ) -> Answer:
        with self._clocks.part("losses"):
            return super()._answer(name, outputs, frozen, batch)

    def _descend(self, terms: list[Tensor]) -> None:
        with self._clocks.part("backward"):
            super()._descend(terms)

    def _join(self, names: Any) -> None:
        with self._clocks.part("joining"):
            super()._join(names)

    def _gather(self, outputs: dict[str, Output]) -> dict[str, Output]:
        with self._clocks.part("joining"):
            return super()._gather(outputs)
