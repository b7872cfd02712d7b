"""How many CPU threads a run takes: timed once, before the first epoch of a new run.

Where others use the machine as well, a training step with a thread on each core may take five
times as long as with one: all threads wait for the last at the end of each product (OpenMP's
barriers). Another number of threads sums in another order, so a run that goes on keeps its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from reid_srdl.data.batches import TrainingSet
from reid_srdl.jobs.planning import RunPlan, stepping, timed
from reid_srdl.machine import named_threads
from reid_srdl.methods import OPTIONS
from reid_srdl.records.folder import RunFolder
from reid_srdl.training.phases import Fit
from reid_srdl.training.precision import Compute

_LEAST = 0.3  # seconds in which steps are counted, for each number of threads
_CLEARLY = 1.25  # how much faster fewer threads must be: a quiet machine always takes all cores
_LOST = 2.0  # how much slower than the best still fewer threads are not tried


def named_or_kept(named: int | None, folder: RunFolder) -> int | None:
    """Returns the threads that a run has already; None: it is new, and nobody names any.

    Args:
        named: threads that the experiment names; they come first.
        folder: the run's; threads that it began with come next.
    """
    if named is not None:
        return named
    if folder.config.exists():
        return folder.read_config(OPTIONS).train.threads or named_threads()
    return named_threads()


def fastest_threads(plan: RunPlan, images: TrainingSet, compute: Compute) -> int:
    """Times steps of a plan's first ``fit`` with all cores, half of them, ..., one.

    On a GPU, and where steps are compiled, nothing is timed: it is all cores.

    Args:
        plan: the run's plan.
        images: its training set.
        compute: where it will run, on all cores.
    """
    fits = [phase for phase in plan.phases if isinstance(phase.asked, Fit)]
    if compute.device.type != "cpu" or compute.compile or not fits or compute.threads == 1:
        return compute.threads
    asked, name = fits[0].asked, fits[0].name
    assert isinstance(asked, Fit)
    view = next(iter(asked.models.values())).view
    if view is not None:
        images = images.of_classes([plan.setting.data.classes.index(one) for one in view.classes])
    seconds: dict[int, float] = {}
    with torch.random.fork_rng(devices=[]):
        step = stepping(asked, name, plan.setting, images, compute)
        for threads in _halved(compute.threads):
            with replace(compute, threads=threads).activated():
                seconds[threads] = timed(step, compute.device, _LEAST)
            if seconds[threads] > _LOST * min(seconds.values()):
                break
    best = min(seconds, key=seconds.__getitem__)
    clearly = seconds[compute.threads] > _CLEARLY * seconds[best]
    return best if clearly else compute.threads


def _halved(cores: int) -> Iterator[int]:
    while cores:
        yield cores
        cores //= 2
