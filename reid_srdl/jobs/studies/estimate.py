"""What a study would take, before any of it is trained: images, time and disk of what it lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.listener import Listener
from reid_srdl.jobs.sharing import store_of
from reid_srdl.jobs.studies.before import as_if_new
from reid_srdl.jobs.studies.conduct import Where
from reid_srdl.records.studies.plan import Plan, RunPlan

_TEACHER = "teacher"  # the phase in which a network is trained that stands for a finished run


@dataclass(frozen=True)
class Estimate:
    """What the runs of one key take that are not finished.

    Attributes:
        name: the first cell that needs them, or the run itself where none shows it.
        runs: how many are missing, one for each seed.
        images: images that pass through training and extraction, of all of them.
        seconds: of training, one run after another, by a few steps of each phase.
        disk: bytes at most, of all of them.
    """

    name: str
    runs: int
    images: int
    seconds: float
    disk: int


def estimate(
    study: Plan, finished: Collection[str], where: Where, listener: Listener | None = None
) -> list[Estimate]:
    """Plans a run of each key of which some are missing, and times a few of its steps.

    A phase that several missing runs share counts once, in the row that needs it first.

    NOTE: all are planned with the study's first seed: phases are shared within a seed, and alike
    with each. What finished runs have left in the store is counted all the same.

    NOTE: a run whose teacher is still to be trained is timed with a teacher of the same kind that
    is left out again, and with all of its own steps, whatever its budget.

    Args:
        study: its cells and runs.
        finished: the names of the runs that are.
        where: places and devices.
        listener: told of the progress.

    Raises:
        UserError: what training would refuse.
    """
    missing: dict[str, list[RunPlan]] = {}
    for run in study.runs:
        if run.name not in finished:
            missing.setdefault(run.key, []).append(run)
    counted: dict[int, set[str]] = {seed: set() for seed in study.seeds}  # phases' keys
    found = []
    for key, runs in missing.items():
        planned = next(run for run in study.runs if run.key == key)
        config = as_if_new(planned, study, where)
        tree = plan(config, listener)
        left_out = {_TEACHER} if planned.teacher is not None else set()
        phases = [phase for phase in tree["phases"] if phase["name"] not in left_out]
        of_phases = sum(phase["disk"] for phase in tree["phases"])
        images, seconds, disk = 0, 0.0, len(runs) * (tree["disk"] - of_phases)
        for phase in phases:
            seeds = [run.seed for run in runs]
            if store_of(config.run, config.method) is not None:
                seeds = [seed for seed in seeds if phase["key"] not in counted[seed]]
            for seed in seeds:
                counted[seed].add(phase["key"])
            images += len(seeds) * _images(phase, tree["cost"])
            seconds += len(seeds) * tree["timing"]["phases"][phase["name"]]
            disk += len(seeds) * phase["disk"]
        name = planned.cells[0] if planned.cells else planned.name
        found.append(Estimate(name, len(runs), images, seconds, disk))
    return found


def _images(phase: Mapping[str, Any], cost: Mapping[str, Any]) -> int:
    """Returns the images of a phase; of a view of the classes at most so many."""
    share = cost["share"] if phase["kind"] == "fit" else 1
    return round(float(phase["epochs"]) * float(cost["images"]) * float(share))
