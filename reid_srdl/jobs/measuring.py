"""Measures the steps of one phase: plain, with their parts marked, and operator by operator."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import resource
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from reid_srdl.config import AnyConfig
from reid_srdl.data.batches import Batch, TrainingSet
from reid_srdl.files import whole_file
from reid_srdl.group.processes import Group
from reid_srdl.jobs.planning import RunPlan, parts_classes
from reid_srdl.models.build import build
from reid_srdl.records.profiled import Operator, Profile
from reid_srdl.training.joining import Joining
from reid_srdl.training.losses import knowledge_in
from reid_srdl.training.marked import PARTS, Clocks, MarkedStep
from reid_srdl.training.meter import Meter
from reid_srdl.training.parts import optimizers_of, parts_of
from reid_srdl.training.phases import Fit, Phase
from reid_srdl.training.precision import Compute
from reid_srdl.training.step import Step

_WARM = 5  # steps that are not measured
_SLOWEST = 10  # operators that are told
_SIDES = {"cuda": (8192, 4096), "cpu": (2048, 1024)}  # of the products that find the peak


class Profiler:
    """A phase's networks and batches, and what steps with them."""

    def __init__(
        self,
        config: AnyConfig,
        compute: Compute,
        plan: RunPlan,
        images: TrainingSet,
        phase: Phase,
        group: Group,
    ) -> None:
        assert isinstance(phase.asked, Fit)
        self._config, self._compute, self._plan = config, compute, plan
        self._phase, self._fit, self._group = phase, phase.asked, group
        view = next(iter(phase.models.values())).view
        if view is not None:
            classes = plan.setting.data.classes
            images = images.of_classes([classes.index(name) for name in view.classes])
        self._images, self._joining = images, Joining(group)
        self._parts = parts_of(self._fit, _built, compute.device)
        self._clocks = Clocks(compute.device)
        self._size = plan.setting.optimisation.batch_size

    def measured(self, run: str, steps: int, trace: Path | None) -> Profile:
        """Returns the profile."""
        device, data = self._compute.device, self._config.data
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        with self._joining.synchronised(self._parts.networks):
            seconds, busy = self._plain(self._step(self._compute, Step), steps)
            # What is replayed as one graph has no parts.
            eager = replace(self._compute, graph=False)
            marked = self._step(eager, MarkedStep, self._clocks)
            memory = _peak_memory(device)
            parts = self._marked(marked, steps)
            operators, computing = self._profiled(marked, steps, trace)
        if device.type == "cuda":
            busy = computing
        work = self._phase.step_work
        return Profile(
            run=run,
            phase=self._phase.name,
            model=self._config.model.name,
            method=self._config.method.name,
            dataset=data.name,
            size=(data.height, data.width),
            batch_size=self._size,
            processes=self._group.size,
            kind=device.type,
            device=self._compute.device_name,
            precision=self._compute.precision,
            threads=self._compute.threads,
            compiled=self._compute.compile,
            graph=self._compute.graph,
            steps=steps,
            seconds=seconds,
            parts=parts,
            idle=max(0.0, 1 - busy / seconds),
            flop=2 * work.total,
            peak=_matrix_rate(self._compute),
            memory=memory,
            operators=operators,
        )

    def _step(self, compute: Compute, kind: Callable[..., Step], *before: Any) -> Step:
        optimisation = self._plan.setting.optimisation
        optimizers = optimizers_of(self._parts, optimisation)
        bounds = optimisation.clip, optimisation.max_norm
        made = self._fit, self._parts, compute, optimizers, *bounds
        return kind(*before, *made, joining=self._joining)

    def _plain(self, step: Step, steps: int) -> tuple[float, float]:
        """Returns the seconds of a step, and those in which each thread computed."""
        with self._batches() as batches:
            self._go(step, batches, _WARM)
            began = time.perf_counter(), time.process_time()
            self._go(step, batches, steps)
            ended = time.perf_counter(), time.process_time()
        wall, cpu = (end - begin for begin, end in zip(began, ended, strict=True))
        return wall / steps, cpu / steps / self._compute.threads

    def _marked(self, step: Step, steps: int) -> dict[str, float]:
        with self._batches() as batches:
            self._go(step, batches, _WARM, self._clocks)
            self._clocks.seconds = dict.fromkeys(PARTS, 0.0)
            self._go(step, batches, steps, self._clocks)
        return {name: seconds / steps for name, seconds in self._clocks.seconds.items()}

    def _profiled(
        self, step: Step, steps: int, trace: Path | None
    ) -> tuple[tuple[Operator, ...], float]:
        """Returns the slowest operators, and the seconds of a step in which the GPU computed."""
        self._clocks.waits = False
        on_gpu = self._compute.device.type == "cuda"
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
        with self._batches() as batches:
            self._go(step, batches, 1, self._clocks)
            os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it tells of itself on stderr
            with profile(activities=kinds) as seen:
                self._go(step, batches, steps, self._clocks)
        if trace is not None and self._group.rank == 0:
            _write_trace(seen, trace)
        found = []
        for one in seen.key_averages():
            taken = one.self_device_time_total if on_gpu else one.self_cpu_time_total
            if one.key not in PARTS and not one.key.startswith("cuda"):
                found.append(Operator(one.key, one.count / steps, taken / 1e6 / steps))
        found.sort(key=lambda one: one.seconds, reverse=True)
        kernels = [
            event.time_range.elapsed_us()
            for event in seen.events() or ()
            if event.device_type == DeviceType.CUDA and event.name not in PARTS
        ]
        return tuple(found[:_SLOWEST]), sum(kernels) / 1e6 / steps

    def _go(
        self, step: Step, batches: Iterator[Batch], steps: int, clocks: Clocks | None = None
    ) -> None:
        """Makes steps as an epoch does, and waits for the last one."""

        def part(name: str) -> contextlib.AbstractContextManager[None]:
            return contextlib.nullcontext() if clocks is None else clocks.part(name)

        device = self._compute.device
        meter = Meter(self._phase.name, 1, 1, steps, self._size, device)
        for _ in range(steps):
            with part("data"):
                batch = next(batches)
            answers = step(batch, 0.0)
            with part("metrics"):
                meter.add(answers, 0.0)
        meter.check()

    @contextlib.contextmanager
    def _batches(self) -> Iterator[Iterator[Batch]]:
        """Yields batches without end, with zeros for what losses read of a table."""
        setting, fit = self._plan.setting, self._fit
        classes = parts_classes(fit)
        tables = {key for loss in fit.losses.values() for key in knowledge_in(loss)}
        logits = torch.zeros(self._size, classes, device=self._compute.device)
        known = dict.fromkeys(tables, logits)

        def epochs() -> Generator[Batch, None, None]:
            for epoch in itertools.count():
                yield from self._images.epoch(
                    self._size,
                    setting.seed,
                    self._phase.name,
                    epoch,
                    draws=classes if "draws" in fit.needs else 0,
                    sampler=setting.sampler,
                    part=self._joining.part,
                )

        made = epochs()
        try:
            yield (replace(batch, known=known) if known else batch for batch in made)
        finally:
            made.close()


def _write_trace(seen: profile, path: Path) -> None:
    """Writes a trace whole or not at all; PyTorch itself passes over what it cannot write.

    Raises:
        FileError: it cannot be written.
    """
    with whole_file(path, "the trace") as temporary:
        seen.export_chrome_trace(str(temporary))
        if path.suffix == ".gz":
            temporary.write_bytes(gzip.compress(temporary.read_bytes()))


def _built(model: Any) -> Any:
    return build(model.spec, seed=0).to(memory_format=torch.channels_last)


def _matrix_rate(compute: Compute) -> float:
    """Returns operations a second of a large matrix product here, the best of a few."""
    kind = torch.bfloat16 if compute.precision == "bf16" else torch.float32
    device, best = compute.device, 0.0
    for side in _SIDES[device.type]:
        left, right = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
        for _ in range(4):
            began = time.perf_counter()
            left @ right
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            best = max(best, 2 * side**3 / (time.perf_counter() - began))
    return best


def _peak_memory(device: torch.device) -> int:
    """Returns the most bytes so far: allocated on a GPU, or held by this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
