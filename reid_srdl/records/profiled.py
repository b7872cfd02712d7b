"""Where the time of a training step goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Operator:
    """An operator of a step.

    Attributes:
        name: as PyTorch calls it.
        calls: in a step.
        seconds: of a step, on the device that computes; what it calls is not in it.
    """

    name: str
    calls: float
    seconds: float


@dataclass(frozen=True)
class Profile:
    """Steps of one phase, measured.

    Attributes:
        run: what was profiled.
        phase, model, method, dataset: which phase of what.
        size: (height, width) of the images, in pixels.
        batch_size: images of a step, those of all processes.
        processes: that share each batch.
        kind: ``cpu`` or ``cuda``.
        device, precision, threads, compiled, graph: how it computes; parts are never replayed as
            one graph.
        steps: that were measured.
        seconds: of a step as training makes it, unmarked.
        parts: seconds of each part of a step, each alone: marks wait for the device.
        idle: share of the step, 0 to 1, in which the device computes nothing: on CPU that of the
            threads' time.
        flop: floating-point operations of a step, two for each multiply-accumulate.
        peak: operations a second of a matrix product on this device in this precision.
        memory: bytes, at most, on the device; on CPU of the whole process.
        operators: the slowest, the slowest first.
    """

    run: str
    phase: str
    model: str
    method: str
    dataset: str
    size: tuple[int, int]
    batch_size: int
    processes: int
    kind: str
    device: str
    precision: str
    threads: int
    compiled: bool
    graph: bool
    steps: int
    seconds: float
    parts: dict[str, float]
    idle: float
    flop: int
    peak: float
    memory: int
    operators: tuple[Operator, ...]

    @property
    def images_per_second(self) -> float:
        """Images that pass through a step, in a second."""
        return self.batch_size / self.seconds

    @property
    def rate(self) -> float:
        """Achieved operations a second."""
        return self.flop / self.seconds

    @property
    def of_peak(self) -> float:
        """The achieved share of the peak of all processes' devices."""
        return self.rate / (self.peak * self.processes)
