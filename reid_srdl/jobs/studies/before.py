"""What is planned of a study's runs before any of them is trained."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from reid_srdl.config import AnyConfig, ModelConfig
from reid_srdl.data.fewer import FewImagesError
from reid_srdl.errors import UserError
from reid_srdl.jobs.budget import BudgetError
from reid_srdl.jobs.listener import Silence
from reid_srdl.jobs.opening import identify
from reid_srdl.jobs.planning import plan_run
from reid_srdl.jobs.studies.conduct import StudyListener, Where, is_held, placed
from reid_srdl.models.changes.asked import changes_of
from reid_srdl.records.studies.match import study_folder
from reid_srdl.records.studies.plan import Plan, RunPlan, with_teacher
from reid_srdl.tasks import open_task
from reid_srdl.training.keys import key_of
from reid_srdl.training.plan import Planner
from reid_srdl.training.precision import choose
from reid_srdl.training.setting import Setting
from reid_srdl.training.teacher import Source
from reid_srdl.training.values import Model


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


def check_budgets(
    study: Plan, finished: Collection[str], where: Where, listener: StudyListener | None = None
) -> None:
    """Plans a run of each key that has a budget to meet, so that none fails after hours of others.

    So with runs on a part of the images, which must be enough for their classes. What else is wrong
    with a run, such as data that are not there, is told when it begins.

    Args:
        study: its cells and runs.
        finished: the names of the runs that are.
        where: places and devices.
        listener: told of each run that has been planned.

    Raises:
        UserError: a method's phases cannot be had within its budget, or `data.images` is not met.
    """
    missing = {run.key: run for run in reversed(study.runs) if run.name not in finished}
    held = [run for run in missing.values() if is_held(run)]
    for done, run in enumerate(held):
        if listener is not None:
            listener.planned(done, len(held))
        if (error := _budget_error(run, study, where)) is not None:
            hint = f"{error.hint}; --cells leaves cells out"
            if study.scale != 1 and isinstance(error, BudgetError):
                hint = f"raise --scale, or {hint}"
            raise UserError(f"{run.name}: {error.what}", hint, usage=True)


def _budget_error(run: RunPlan, study: Plan, where: Where) -> UserError | None:
    """Plans a run; returns what is wrong with its budget, if nothing else is wrong before that.

    NOTE: on the CPU, whatever it will be trained on: another machine may have what this one lacks.
    """
    silence, teacher = Silence(), next((r for r in study.runs if r.name == run.teacher), None)
    try:
        known = identify(as_if_new(run, study, where), silence)
        config = placed(run, where, study_folder(where.runs, study))
        task = open_task(config, choose("cpu", "fp32"), silence.steps, known.found)
        made = Planner if teacher is None else partial(_Taught, teacher.config.model)
        if config.train.budget != "own":
            plan_run(config, task, known.weights, made)
    except (BudgetError, FewImagesError) as error:
        return error
    except (UserError, OSError):  # the run itself comes to it
        return None
    return None


class _Taught(Planner):
    """A planner that takes a finished run for granted, whose network is known alone.

    Args:
        taught_by: the network's section of that run's configuration.
        setting: as `Planner` has it.
    """

    def __init__(self, taught_by: ModelConfig, setting: Setting) -> None:
        super().__init__(setting)
        self._spec = replace(
            setting.network,
            name=taught_by.name,
            changes=changes_of(taught_by),
            width=taught_by.width,
        )

    def _finished(self, source: Source, name: str) -> Model:
        return Model(key_of(run=str(source.run)), self._spec, None, None, loaded=True)
