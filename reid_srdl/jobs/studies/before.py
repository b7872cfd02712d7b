"""What is planned of a study's runs before any of them is trained."""

from __future__ import annotations

from collections.abc import Collection

from reid_srdl.config import AnyConfig
from reid_srdl.errors import UserError
from reid_srdl.jobs.budget import BudgetError
from reid_srdl.jobs.computing import compute_of
from reid_srdl.jobs.listener import Silence
from reid_srdl.jobs.opening import identify
from reid_srdl.jobs.planning import plan_run
from reid_srdl.jobs.studies.conduct import Where, placed
from reid_srdl.records.studies.match import study_folder
from reid_srdl.records.studies.plan import Plan, RunPlan, with_teacher
from reid_srdl.tasks import open_task


def as_if_new(run: RunPlan, study: Plan, where: Where) -> AnyConfig:
    """Returns a run's configuration, in a folder that is not there, with a teacher to train.

    NOTE: its own teacher may be one of the study that has not been trained yet.
    """
    config = placed(run, where, study_folder(where.runs, study))
    if run.teacher is not None:
        config = _taught(config, study, run.teacher)
    return config.model_copy(update={"run": config.run.model_copy(update={"name": None})})


def _taught(config: AnyConfig, study: Plan, teacher: str) -> AnyConfig:
    """Returns a run's configuration with a network for the finished run that is not there yet."""
    network = next(run for run in study.runs if run.name == teacher).config.model.name
    train = config.train.model_copy(update={"budget": "own"})
    return with_teacher(config.model_copy(update={"train": train}), network)


def check_budgets(study: Plan, finished: Collection[str], where: Where) -> None:
    """Plans a run of each key that has a budget to meet, so that none fails after hours of others.

    What else is wrong with a run is told when it begins; one whose data are elsewhere, or whose
    teacher is still to be trained, is not planned.

    Args:
        study: its cells and runs.
        finished: the names of the runs that are.
        where: places and devices.

    Raises:
        UserError: a method's phases cannot be had within its budget.
    """
    missing = {run.key: run for run in reversed(study.runs) if run.name not in finished}
    for run in missing.values():
        if run.config.train.budget == "own" or run.teacher is not None:
            continue
        if (error := _budget_error(as_if_new(run, study, where))) is not None:
            hint = f"{error.hint}; --cells leaves cells out"
            raise UserError(f"{run.name}: {error.what}", hint, usage=True)


def _budget_error(config: AnyConfig) -> BudgetError | None:
    """Plans a run; returns what is wrong with its budget, if nothing else is wrong before that."""
    silence = Silence()
    try:
        known = identify(config, silence)
        task = open_task(config, compute_of(config), silence.steps, known.found)
        plan_run(config, task, known.weights)
    except BudgetError as error:
        return error
    except UserError:
        return None
    return None
