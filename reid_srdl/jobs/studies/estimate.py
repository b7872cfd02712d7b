"""What a study would take, before any of it is trained: images, time and disk of what it lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from reid_srdl.config import AnyConfig
from reid_srdl.jobs.studies.conduct import Where, placed
from reid_srdl.jobs.train import Listener, plan
from reid_srdl.records.studies.match import study_folder
from reid_srdl.records.studies.plan import Plan, RunPlan, with_teacher

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
    folder = study_folder(where.runs, study)
    found = []
    for runs in missing.values():
        config = placed(runs[0], where, folder)
        if runs[0].teacher is not None:
            config = _taught(config, study, runs[0].teacher)
        tree = plan(config, listener)
        left_out = {_TEACHER} if runs[0].teacher is not None else set()
        name = runs[0].cells[0] if runs[0].cells else runs[0].name
        seconds = tree["timing"]["phases"]
        found.append(
            Estimate(
                name=name,
                runs=len(runs),
                images=len(runs) * _images(tree, left_out),
                seconds=len(runs) * sum(seconds[key] for key in seconds.keys() - left_out),
                disk=len(runs) * tree["disk"],
            )
        )
    return found


def _taught(config: AnyConfig, study: Plan, teacher: str) -> AnyConfig:
    """Returns a run's configuration with a network for the finished run that is not there yet."""
    network = next(run for run in study.runs if run.name == teacher).config.model.name
    train = config.train.model_copy(update={"budget": "own"})
    return with_teacher(config.model_copy(update={"train": train}), network)


def _images(tree: Mapping[str, Any], left_out: Collection[str]) -> int:
    """Returns the images of all phases but some; of a view of the classes at most so many."""
    cost, images = tree["cost"], 0.0
    for phase in tree["phases"]:
        if phase["name"] not in left_out:
            share = cost["share"] if phase["kind"] == "fit" else 1
            images += phase["epochs"] * cost["images"] * share
    return round(images)
