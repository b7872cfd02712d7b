"""A step as one CUDA graph: its kernels are launched together, not one by one from Python.

A step of ResNet-32 at 32 x 32 is hundreds of kernels of a few microseconds each, so on a fast card
most of its time is Python that launches them. A graph holds the same kernels in the same order, so
the numbers are those of single launches, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from reid_srdl.data.batches import Batch
from reid_srdl.errors import UserError

WARM = 3  # steps before the recording: libraries choose their kernels, momentum comes to be

A = TypeVar("A")


class Replayed(Generic[A]):
    """What a step does with a batch: recorded at its fourth call, and replayed from then on.

    The answers of a replay stand in the memory of the recording, until the next one.

    Args:
        step: of batches of one shape; it never waits for the device, and what it answers holds no
            autograd graph.
        device: a CUDA device.
    """

    def __init__(self, step: Callable[[Batch], dict[str, A]], device: torch.device) -> None:
        self._step = step
        # gradients stay on the stream that they came to be on
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._warm = 0
        self._recorded: tuple[torch.cuda.CUDAGraph, Batch, dict[str, A]] | None = None

    def __call__(self, batch: Batch) -> dict[str, A]:
        """Makes a step.

        Raises:
            UserError: the step waits for the device, so that it cannot be recorded.
            OutOfMemoryError: the recording does not fit beside what is there.
        """
        if self._warm < WARM:
            self._warm += 1
            return self._single(batch)
        if self._recorded is None:
            self._recorded = self._record(_copied(batch))
        graph, read, answers = self._recorded
        for kept, given in zip(_tensors(read), _tensors(batch), strict=True):
            kept.copy_(given.view_as(kept))  # a copy alone would broadcast
        graph.replay()
        return answers

    def _single(self, batch: Batch) -> dict[str, A]:
        """Launches each kernel by itself, on the stream of the recording."""
        ours = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(ours)
        with torch.cuda.stream(self._stream):
            answers = self._step(batch)
        ours.wait_stream(self._stream)
        return answers

    def _record(self, batch: Batch) -> tuple[torch.cuda.CUDAGraph, Batch, dict[str, A]]:
        graph = torch.cuda.CUDAGraph()
        # Another thread may read images ahead, into memory that it pins.
        mode = "thread_local"
        try:
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode=mode):
                answers = self._step(batch)
        except torch.OutOfMemoryError:
            raise  # a RuntimeError as well, which another launch would not mend
        except RuntimeError as error:
            first = str(error).strip().partition("\n")[0]
            raise UserError(
                f"train.graph: a step cannot be recorded as a CUDA graph ({first})",
                "--set train.graph=false launches its kernels one by one; the numbers are the same",
            ) from error
        return graph, batch, answers


def _copied(batch: Batch) -> Batch:
    """Returns the batch in memory of its own, which each later step writes its batch to."""
    return replace(
        batch,
        images=batch.images.clone(),
        labels=batch.labels.clone(),
        index=batch.index.clone(),
        weight=batch.weight.clone(),
        draws=None if batch.draws is None else batch.draws.clone(),
        known={key: logits.clone() for key, logits in batch.known.items()},
    )


def _tensors(batch: Batch) -> Iterator[Tensor]:
    """Yields all that changes from step to step, in a fixed order."""
    yield from (batch.images, batch.labels, batch.index, batch.weight)
    if batch.draws is not None:
        yield batch.draws
    yield from (batch.known[key] for key in sorted(batch.known))
