"""What a command line asks of SLURM, and what of it makes sense. No submitit, no SLURM."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from reid_srdl.config.marked import CommandLine
from reid_srdl.config.option import QUEUE, WHERE, Option
from reid_srdl.errors import UserError
from reid_srdl.jobs.studies.share import Share

_SHORTEST = 3  # minutes: 90 seconds before its end a run is told to write a checkpoint and end
_MINUTES = 240  # of a job, if nobody says how long it may take; a run goes on in its next job
_CORES = {False: 1, True: 2}  # by whether it computes on CUDA: such a run still orders its batches
# What has an option here, or is decided here.
_TAKEN = {
    "partition": "--partition",
    "time": "--time",
    "account": "--account",
    "gpus": "--gpus",
    "gpus-per-node": "--gpus",
    "cpus-per-task": "--cpus",
    "array": "--jobs",
    "gpus-per-task": "--gpus",
    **dict.fromkeys(
        (
            *("dependency", "output", "error", "open-mode", "signal", "job-name", "nodes"),
            *("ntasks", "ntasks-per-node", "requeue", "no-requeue", "kill-on-invalid-dep"),
            *("parsable", "wrap"),
        ),
        "",
    ),
}
_TIME = re.compile(
    r"(?:(?P<days>\d+)-(?P<day_hours>\d+)(?::(?P<day_minutes>\d+)(?::(?P<day_seconds>\d+))?)?"
    r"|(?:(?P<hours>\d+):(?=\d+:))?(?P<minutes>\d+)(?::(?P<seconds>\d+))?)"
)


@dataclass(frozen=True)
class Wanted:
    """What each job gets.

    Attributes:
        partition, account: None: the cluster's default.
        minutes: after which SLURM ends it.
        gpus, cpus: of each job.
        more: further options of sbatch, by name; True is one without a value.
        at_once: jobs of one array that may run at once; None: all.
    """

    partition: str | None = None
    minutes: int = _MINUTES
    gpus: int = 0
    cpus: int = 1
    account: str | None = None
    more: Mapping[str, str | bool] = field(default_factory=dict)
    at_once: int | None = None


class QueueLine(CommandLine):
    """The options of a command that can send its runs to SLURM."""

    on: Annotated[
        Literal["local", "slurm"],
        Option(
            "--on",
            "Where runs are trained: on this machine, or each as a SLURM job, which needs "
            "pip install 'reid-srdl[slurm]'. [default: local]",
            WHERE,
        ),
    ] = "local"
    partition: Annotated[
        str | None,
        Option("--partition", "The jobs' partition; default: the cluster's.", QUEUE),
    ] = None
    time: Annotated[
        str | None,
        Option(
            "--time",
            "Time limit of a job, as for sbatch; a run that needs longer continues in another "
            "job. Default: 4:00:00.",
            QUEUE,
            metavar="[D-]H:M:S",
        ),
    ] = None
    gpus: Annotated[
        int | None, Option("--gpus", "GPUs of each job, 0 or 1; default: 0.", QUEUE, metavar="N")
    ] = Field(None, ge=0)
    cpus: Annotated[
        int | None,
        Option(
            "--cpus",
            "CPU cores of each job, and threads of its run; default: 1, or 2 with a GPU.",
            QUEUE,
            metavar="N",
        ),
    ] = Field(None, ge=1)
    account: Annotated[
        str | None, Option("--account", "The account that is charged; default: yours.", QUEUE)
    ] = None
    sbatch: Annotated[
        list[str] | None,
        Option(
            "--sbatch",
            "A further option of sbatch, e.g. mem=32G, qos=high or exclusive; may be repeated.",
            QUEUE,
            metavar="OPTION[=VALUE]",
            many=True,
        ),
    ] = None

    def wanted(self, at_once: int | None) -> Wanted | None:
        """Returns what each job gets; None: runs are trained on this machine.

        Args:
            at_once: jobs of an array that may run at once.

        Raises:
            UserError: an option is wrong, or says nothing without ``--on slurm``.
        """
        asked = self.named("train") & {
            *("--partition", "--time", "--gpus", "--cpus", "--account", "--sbatch")
        }
        if self.on == "local":
            if asked:
                what = f"{', '.join(sorted(asked))}: for --on slurm alone"
                raise UserError(what, "add --on slurm, or leave it out", usage=True)
            return None
        gpus = self.gpus or 0
        if gpus > 1:
            raise UserError(
                f"--gpus {gpus}: a job trains one run, in one process, on one GPU",
                "leave it at 1: several runs are several jobs; for one run on many GPUs see "
                "torchrun in docs/distributed.md",
                usage=True,
            )
        return Wanted(
            self.partition,
            _MINUTES if self.time is None else long_enough(self.time),
            gpus,
            self.cpus or _CORES[gpus > 0],
            self.account,
            further(self.sbatch or ()),
            at_once,
        )

    @classmethod
    def panel(cls) -> dict[str, str]:
        """Returns these options' keys with the heading that each stands under."""
        more = dict.fromkeys(("partition", "time", "gpus", "cpus", "account", "sbatch"), QUEUE)
        return {"on": WHERE, **more}


def share_of(wanted: Wanted) -> Share:
    """Returns runs at once, 0 where the queue decides, and the threads of each: its job's cores."""
    return Share(wanted.at_once or 0, wanted.cpus)


def told_of_stop(wanted: Wanted | None) -> str:
    """Returns what is said where Ctrl-C stops the command."""
    if wanted is None:
        return "stopped; the same command goes on from there"
    return (
        "stopped; jobs that were sent go on, and the same command finds them again "
        "(scancel ID ends one; .slurm/jobs.json in the runs' folder has the ids)"
    )


def minutes_of(text: str) -> int:
    """Reads a time as sbatch does, in whole minutes, at least one.

    Raises:
        UserError: it is none.

    >>> minutes_of("90"), minutes_of("1:30:00"), minutes_of("0:10"), minutes_of("1-12")
    (90, 90, 1, 2160)
    """
    found = _TIME.fullmatch(text)
    if found is None:
        hint = "write minutes, H:M:S or D-H:M:S, e.g. --time 12:00:00"
        raise UserError(f"--time {text}: not a time", hint, usage=True)
    part = {name: int(value or 0) for name, value in found.groupdict().items()}
    hours = 24 * part["days"] + part["day_hours"] + part["hours"]
    minutes = 60 * hours + part["day_minutes"] + part["minutes"]
    return max(1, minutes + (part["day_seconds"] + part["seconds"] > 0))


def long_enough(text: str) -> int:
    """Reads the time of a job, in which a run must come farther than to its next checkpoint.

    Raises:
        UserError: it is no time, or too short; 0, sbatch's word for no limit, counts as short.
    """
    if (minutes := minutes_of(text)) < _SHORTEST:
        hint = f"give {_SHORTEST} minutes or more: 90 seconds before its end a job is told to stop"
        raise UserError(f"--time {text}: too short", hint, usage=True)
    return minutes


def further(given: Sequence[str]) -> dict[str, str | bool]:
    """Reads further options of sbatch.

    Raises:
        UserError: one has an option here, or is decided here.
    """
    read: dict[str, str | bool] = {}
    for text in given:
        name, equals, value = text.removeprefix("--").partition("=")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            what = f"--sbatch {text}: not an option of sbatch"
            raise UserError(what, "write its long name, e.g. --sbatch mem=32G", usage=True)
        if name in _TAKEN:
            own = _TAKEN[name]
            hint = f"give {own} instead" if own else "leave it out: it is set for each job"
            raise UserError(f"--sbatch {text}: is not passed through", hint, usage=True)
        read[name] = value if equals else True
    return read
