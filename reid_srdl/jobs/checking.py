"""Runs whose files are compared with their checksums: one, or all below a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.jobs.runs import state_of
from reid_srdl.jobs.soundness import Problem, problems_of, problems_of_store
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.phase_store import FOLDER
from reid_srdl.records.store import run_folders


def runs_at(path: Path) -> list[Path]:
    """Returns the folder of a run alone, or each run below a folder of runs.

    Raises:
        UserError: there is no run, and no phase that runs share.
    """
    found = [path] if state_of(path) != "not a run" else list(run_folders(path))
    if not found and not (path / FOLDER).is_dir():
        raise UserError(
            f"{path}: not a run, and no run below it",
            "name the folder of a run, e.g. runs/NAME, or of all runs",
        )
    return found


def check_run(path: Path, *, repair: bool = False) -> list[Problem]:
    """Returns what is wrong with each file of a run; repaired is what can be, if asked for.

    Args:
        path: a run's folder; or a folder of runs, for each of them and the phases that they share.
        repair: make files again, where the phases know them.

    Raises:
        UserError: there is no run, or another process is writing to the one that is to be repaired.
    """
    runs = runs_at(path)
    if runs == [path]:
        return _problems(path, repair=repair)
    found = list(problems_of_store(path / FOLDER))
    for run in runs:
        try:
            found += _problems(run, repair=repair)
        except UserError as error:  # it can't be written to; the others are looked at all the same
            why = f"{error.what}: {error.hint}"
            found += (replace(one, hint=why) for one in problems_of(run, repair=False))
    return found


def _problems(run: Path, *, repair: bool) -> list[Problem]:
    """Returns what is wrong with one run; only what is damaged is written to."""
    found = list(problems_of(run, repair=False))
    if not (found and repair):
        return found
    with RunFolder(run).locked():
        return list(problems_of(run, repair=True))
