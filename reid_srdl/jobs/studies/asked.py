"""What was asked of a study, in the command line's words: cells, seeds, folders of data sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from reid_srdl.data import DATASETS
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.jobs.studies.reading import reader_of
from reid_srdl.records.studies import Plan, find_study, plan_study, read_study
from reid_srdl.records.studies.match import ContentOf, FoundRun, finished_runs, foreign_runs, match

_DIGITS = 20  # of 2^63 - 1, the largest seed, one more: Python reads 4,300 at most


def asked_plan(study: str, scale: float, seeds: str | None, cells: str | None) -> Plan:
    """Returns the runs of a study.

    Args:
        study: its name or its YAML file.
        scale: share of the epochs.
        seeds: as ``0,1,2``; None: the study's.
        cells: as ``A,B``; None: all.

    Raises:
        UserError: one of them is wrong.
    """
    if scale == 0:
        raise UserError("--scale: must be above 0", "e.g. --scale 0.05", usage=True)
    return plan_study(
        read_study(find_study(study)),
        experiment,
        rehearse,
        scale=scale,
        seeds=None if seeds is None else seed_numbers(seeds),
        cells=None if cells is None else _listed("--cells", cells),
    )


def found_runs(
    plan: Plan, runs: Path, *, foreign: bool = False, content_of: ContentOf | None = None
) -> tuple[dict[str, FoundRun], list[str]]:
    """Matches the finished runs below a folder with a plan's.

    Args:
        plan: the study.
        runs: the folder.
        content_of: tells the content of a configuration's data where they stand now.
        foreign: tell, too, which of the study's own folders hold runs of another configuration,
            and whether the folder is missing.

    Returns:
        The runs by the plan's names, and what could not be read or is left out, a line each.
    """
    read = reader_of(plan)
    finished, notes = finished_runs(runs, read)
    found = match(plan, runs, finished, content_of)
    if foreign and not runs.exists():
        notes.append(f"{runs}: no such folder, so no run is found (--runs names another)")
    if foreign:
        others = foreign_runs(plan, runs, found, read)
        notes += [f"{folder}: holds a run of another configuration (left out)" for folder in others]
    return found, notes


def data_dirs(given: Sequence[str]) -> Callable[[str], Path | None]:
    """Returns the folder of each data set: its own, else the one given for all, else None.

    Args:
        given: words as ``DIR`` or ``NAME=DIR``.

    Raises:
        UserError: a name is no data set's, or two folders are given for all.
    """
    own: dict[str, Path] = {}
    common: list[Path] = []
    for text in given:
        name, equals, path = text.partition("=")
        if equals and name in DATASETS:
            own[name] = Path(path)
        elif equals and not Path(text).exists():
            hint = f"{did_you_mean(name, DATASETS)} (write --data-dir DIR or NAME=DIR)"
            raise UserError(f"--data-dir {text}: no such data set {name!r}", hint, usage=True)
        else:
            common.append(Path(text))
    if len(common) > 1:
        raise UserError(
            f"--data-dir: two folders for all data sets: {common[0]}, {common[1]}",
            "write --data-dir NAME=DIR for single data sets",
            usage=True,
        )
    return lambda name: own.get(name, common[0] if common else None)


def check_precision(given: str | None) -> None:
    """Checks the precision.

    Raises:
        UserError: there is no such one.
    """
    known = ("auto", "bf16", "tf32", "fp32")
    if given is not None and given not in known:
        what = f"--precision {given}: no such choice"
        raise UserError(what, did_you_mean(given, known), usage=True)


def _listed(option: str, text: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise UserError(f"{option}: names nothing", f"write {option} A,B", usage=True)
    return words


def seed_numbers(text: str) -> list[int]:
    """Reads ``0,1,2``.

    Raises:
        UserError: there is no number, or something else; a number is too large, or stands twice.
    """
    words = _listed("--seeds", text)
    if wrong := [word for word in words if not _is_seed(word)]:
        what = f"--seeds {text}: {', '.join(wrong)}: not a seed (0 to 2^63 - 1)"
        raise UserError(what, "write --seeds 0,1,2", usage=True)
    seeds = [int(word) for word in words]
    if twice := [str(seed) for seed in dict.fromkeys(seeds) if seeds.count(seed) > 1]:
        what = f"--seeds {text}: {', '.join(twice)}: stands there twice"
        raise UserError(what, "give each seed once", usage=True)
    return seeds


def _is_seed(word: str) -> bool:
    """Whether a word is a number that ``train.seed`` takes."""
    return word.isdecimal() and len(word) < _DIGITS and int(word) < 2**63
