"""What a run would do: its phases, networks, cost and time, without training anything."""

from __future__ import annotations

from typing import Any

from reid_srdl.config import AnyConfig
from reid_srdl.data.scratch import scratch_cache
from reid_srdl.jobs.before import bytes_of, bytes_of_phases, check_room
from reid_srdl.jobs.computing import compute_of
from reid_srdl.jobs.listener import Listener, Silence
from reid_srdl.jobs.opening import (
    as_begun,
    identify,
    on_threads,
    open_run,
    resolve_run,
    run_folder,
    with_fastest_threads,
)
from reid_srdl.jobs.planning import measured_seconds
from reid_srdl.jobs.rehearsal import told_as_own
from reid_srdl.jobs.summary import known_before
from reid_srdl.jobs.threads import named_or_kept
from reid_srdl.methods import OPTIONS

# What a record says of a phase's networks that no plan can: what they learned and came to.
_LEARNED = ("loss", "accuracy", "ce", "marks")
_JUDGED = ("validation", "best")


def plan(config: AnyConfig, listener: Listener | None = None) -> dict[str, Any]:
    """Returns what ``train`` would do, as plain values under the record's names; writes nothing.

    The time is an estimate, from a few steps of each phase.

    Raises:
        UserError: what ``train`` would refuse before its first step.
    """
    listener, config = listener or Silence(), as_begun(config)
    asked, compute = config, compute_of(config, listener.noted)
    config = resolve_run(config, compute)
    folder = run_folder(config.run)
    folder.check_same(config, OPTIONS)
    threads = named_or_kept(asked.train.threads, folder)
    config, compute = on_threads(config, compute, threads or compute.threads)
    with compute.activated(), scratch_cache():
        known = identify(config, listener)
        folder.check_content(known.trained_on)
        opened = open_run(config, compute, known, listener)
        check_room(opened.plan, folder.path)
        if threads is None:
            config, compute, opened = with_fastest_threads(config, compute, known, opened, listener)
        told = known_before(config, opened.plan, opened.task.facts)
        with told_as_own(config.method.name):
            seconds = measured_seconds(opened.plan, opened.task.training_set, compute)
    tree: dict[str, Any] = {key: _plain(value) for key, value in told.items()}
    for phase, disk in zip(tree["phases"], bytes_of_phases(opened.plan), strict=True):
        del phase["seconds"]
        phase["disk"] = disk
        for network in phase["networks"].values():
            for key in (*_LEARNED, *(_JUDGED if config.data.validation else ())):
                del network[key]
    tree["networks"] = [*opened.plan.returned, *opened.plan.ensembles]
    tree["disk"] = bytes_of(opened.plan)
    tree["timing"] = {"seconds": sum(seconds.values()), "phases": seconds}
    return tree


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
