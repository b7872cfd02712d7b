"""What SLURM says of jobs: squeue, where that has forgotten them sacct, and refusals in words."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from reid_srdl.errors import UserError

_FIELDS = "JobArrayID:|,State:|,exit_code:|,Reason:|"
_ARRAY = 1001  # jobs of an array, where nobody has configured their number
_PATIENCE = 60.0  # seconds for one call of a busy cluster
_WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT")
_WORKING = ("RUNNING", "COMPLETING", "SUSPENDED", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED")
_AGAIN = frozenset(("TIMEOUT", "PREEMPTED", "NODE_FAIL", "BOOT_FAIL"))
_SAID = re.compile(r"^s[a-z]+:\s*((error|fatal):\s*)?(Batch job submission failed:\s*)?")
_HINTS = (
    ("account", "sacctmgr show associations user=$USER lists your accounts; name one by --account"),
    ("partition", "sinfo lists the partitions; name one with --partition"),
    ("time", "scontrol show partition tells how long a job may take; give --time"),
    ("qos", "sacctmgr show qos lists them; give --sbatch qos=NAME"),
    ("gres", "sinfo -o '%P %G' lists what partitions have; change --gpus"),
    ("memory", "sinfo -o '%P %m' tells the memory of their machines; change --sbatch mem="),
    ("node configuration", "sinfo -o '%P %c %m %G' tells what machines have; ask for less"),
    ("option", "sbatch --help lists its options; mend --sbatch"),
    ("contact slurm controller", "see whether sinfo answers, and try again"),
    ("configuration source", "see whether sinfo answers here; a login node of the cluster can"),
)


@dataclass(frozen=True)
class Job:
    """What SLURM says of a job.

    Attributes:
        state: its own word, e.g. ``PENDING``.
        exit: its exit status, as from ``$?``; 0 where it has none.
        reason: why it waits.
    """

    state: str
    exit: int = 0
    reason: str = ""

    @property
    def alive(self) -> bool:
        """Whether it waits or runs."""
        return self.state in (*_WAITING, *_WORKING)

    @property
    def runs(self) -> bool:
        """Whether it has begun and not ended."""
        return self.state in _WORKING

    @property
    def taken_away(self) -> bool:
        """Whether it ended through no fault of its own, and should be sent again."""
        return self.state in _AGAIN

    @property
    def waits_in_vain(self) -> bool:
        """Whether a job that it waits for has failed; SLURM may have cancelled it for that."""
        if self.state == "CANCELLED":
            return self.reason in ("DependencyNeverSatisfied", "Dependency")  # squeue, sacct
        return self.state == "PENDING" and self.reason == "DependencyNeverSatisfied"


def check_there() -> None:
    """Checks that jobs can be sent from here.

    Raises:
        UserError: SLURM's commands are not there, or submitit is not.
    """
    import importlib.util

    if missing := [name for name in ("sbatch", "srun", "squeue") if shutil.which(name) is None]:
        raise UserError(
            f"--on slurm: no SLURM here ({missing[0]} is not on the PATH)",
            "give the command on a machine of the cluster that sends jobs, or leave --on out",
        )
    if importlib.util.find_spec("submitit") is None:
        what = "--on slurm: submitit is not installed"
        raise UserError(what, "pip install 'reid-srdl[slurm]'")


def jobs_of(ids: Collection[str]) -> dict[str, Job]:
    """Returns what SLURM says of jobs, by their ids; those that it has forgotten are left out.

    Raises:
        UserError: it does not answer.
    """
    if not ids:
        return {}
    told = _lines(["squeue", "--noheader", "--array", "--me", "--states=all", "--Format", _FIELDS])
    found = {}
    for line in told:
        job, state, status, reason, *_ = (*line.split("|"), "", "", "", "")
        found[job.strip()] = Job(state.strip(), _status(status), reason.strip())
    if forgotten := [one for one in ids if one not in found]:
        found |= _accounted(forgotten)
    return {one: found[one] for one in ids if one in found}


def largest_array() -> int:
    """Returns how many jobs an array may hold: the cluster's limit, or SLURM's own default."""
    told = _run(["scontrol", "show", "config"]).stdout
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", told, re.MULTILINE)
    return max(1, int(found[1]) if found else _ARRAY)


def cancel(ids: Iterable[str]) -> None:
    """Ends jobs; ended ones are left alone."""
    if listed := list(ids):
        _run(["scancel", *listed])


def cancel_named(name: str) -> None:
    """Ends the jobs of a name: sent, and nobody wrote down their ids."""
    _run(["scancel", "--me", f"--name={name}"])


def refusal(told: str) -> UserError:
    """Returns what sbatch said, for people."""
    lines = [line.strip() for line in told.splitlines() if re.match(r"\s*s[a-z]+:", line)]
    lines = [_SAID.sub("", line) for line in lines]
    why = lines[0] if lines else " ".join(told.split())[-200:] or "it says nothing"
    known = " ".join(lines or [told]).lower()
    hint = next((hint for word, hint in _HINTS if word in known), "mend it, and try again")
    return UserError(f"SLURM refuses the jobs: {why}", hint)


def _accounted(ids: Iterable[str]) -> dict[str, Job]:
    """Returns what accounting remembers; nothing where the cluster keeps no accounts."""
    if shutil.which("sacct") is None:
        return {}
    fields = ["--noheader", "--parsable2", "--allocations", "--format=JobID,State,ExitCode,Reason"]
    done = _run(["sacct", *fields, "--jobs", ",".join(ids)])
    found = {}
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        job, state, status, reason, *_ = (*line.split("|"), "")
        code, _, by_signal = status.partition(":")
        ended = 128 + int(by_signal) if int(by_signal or 0) else int(code or 0)
        found[job] = Job(state.split()[0], ended, reason)
    return found


def _status(text: str) -> int:
    """Returns an exit status from what squeue says: that of ``wait``, signals in its low byte."""
    wait = int(text.strip() or 0)
    return 128 + (wait & 127) if wait & 127 else wait >> 8


def _lines(command: list[str]) -> list[str]:
    done = _run(command)
    if done.returncode:
        raise UserError(
            f"SLURM does not answer: {refusal(done.stderr).what.partition(': ')[2]}",
            "try again; jobs that were sent go on meanwhile",
        )
    return done.stdout.splitlines()


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]} is not on the PATH")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer in {_PATIENCE:g} s")
