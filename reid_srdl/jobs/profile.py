"""Where the time of a run's steps goes. Nothing is trained, and nothing is written but a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_srdl.config import AnyConfig
from reid_srdl.data.scratch import scratch_cache
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.group.processes import Group
from reid_srdl.jobs.computing import compute_of
from reid_srdl.jobs.experiment import configured
from reid_srdl.jobs.listener import Listener, Silence
from reid_srdl.jobs.measuring import Profiler
from reid_srdl.jobs.opening import identify, on_threads, open_run, resolve_run
from reid_srdl.jobs.planning import RunPlan
from reid_srdl.jobs.together import (
    check_alike,
    check_shareable,
    code_and_configuration,
    own_compute,
)
from reid_srdl.places import check_output
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.profiled import Profile
from reid_srdl.training.phases import Phase


def profile_run(
    source: Path,
    given: Mapping[str, Any],
    group: Group,
    listener: Listener | None = None,
    *,
    assignments: Sequence[str] = (),
    phase: str | None = None,
    steps: int = 20,
    trace: Path | None = None,
) -> Profile:
    """Measures steps of one phase, on its real networks and batches.

    Three times: as training makes them; with marks around their parts; under PyTorch's profiler,
    for operators and trace.

    Args:
        source: folder of a run, or a YAML file of keys.
        given, assignments: keys that differ.
        group: the processes that share each batch.
        listener: told of the progress.
        phase: its name; None: the last one that trains.
        steps: measured, each way.
        trace: file of the trace; None: none is written.

    Raises:
        UserError: what training would refuse before its first step; no such phase.
    """
    if trace is not None:
        check_output(trace, "the trace")
    config = _configured(source, given, assignments)
    check_shareable(config, group)
    listener = listener or Silence()
    compute = own_compute(compute_of(config, listener.noted), config.train.threads, group)
    config, compute = on_threads(resolve_run(config, compute), compute, compute.threads)
    if group.size > 1:
        check_alike(group, code_and_configuration(config))
    with compute.activated(), scratch_cache():
        opened = open_run(config, compute, identify(config, listener), listener)
        images, chosen = opened.task.training_set, _phase(opened.plan, phase)
        profiler = Profiler(config, compute, opened.plan, images, chosen, group)
        return profiler.measured(str(source), steps, trace)


def _configured(source: Path, given: Mapping[str, Any], assignments: Sequence[str]) -> AnyConfig:
    """Returns a run's or a file's configuration, in a run of its own."""
    file = RunFolder(source).config if source.is_dir() else source
    if not file.exists():
        what = f"{file}: no such file" if file is source else f"{source}: not a run folder"
        raise UserError(what, "name a folder of a run, or a YAML file of keys", usage=True)
    config = configured(given, file, assignments, None)
    return config.model_copy(update={"run": config.run.model_copy(update={"name": None})})


def _phase(plan: RunPlan, name: str | None) -> Phase:
    fits = {phase.name: phase for phase in plan.phases if phase.kind == "fit"}
    if name is None:
        return list(fits.values())[-1]
    if name not in fits:
        what = f"--phase {name}: no such phase that trains"
        raise UserError(what, did_you_mean(name, fits), usage=True)
    return fits[name]
