"""Sends runs to SLURM through submitit: those that wait for the same jobs as one array."""

from __future__ import annotations

import contextlib
import io
import json
import uuid
from collections.abc import Sequence
from typing import Any

from reid_srdl.config import AnyConfig
from reid_srdl.jobs.slurm.asked import Wanted
from reid_srdl.jobs.slurm.inside import TrainingJob
from reid_srdl.jobs.slurm.ledger import FOLDER, Ledger, Sent
from reid_srdl.jobs.slurm.queue import cancel_named, refusal

_TIMES = 1000  # that a run may reach its job's time limit and go on
_WARNED = 90  # seconds before that limit at which it is told


def send(
    configs: Sequence[AnyConfig], after: Sequence[str], wanted: Wanted, ledger: Ledger
) -> dict[str, Sent]:
    """Sends runs as one job each, which start once others have succeeded.

    Args:
        configs: resolved, with their places.
        after: ids of the jobs that must have succeeded.
        wanted: what each job gets.
        ledger: notes their ids. A kill at any moment leaves no job that nobody knows of: the next
            `recover` ends those whose ids were not noted.

    Raises:
        UserError: SLURM refuses them.
    """
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    name = f"reid-srdl-{uuid.uuid4().hex[:12]}"
    executor = submitit.SlurmExecutor(ledger.place.resolve(), max_num_timeout=_TIMES)
    executor.update_parameters(**_parameters(name, after, wanted, len(configs)))
    works = [TrainingJob(json.dumps(config.model_dump(mode="json"))) for config in configs]
    with ledger.locked():
        ledger.announce(name)
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # the refusal says it once
                jobs = _submitted(executor, works)
        except (FailedJobError, FailedSubmissionError) as error:
            ledger.note({})
            raise refusal(str(error)) from None
        ids = [str(job.job_id) for job in jobs]
        sent = {
            str(config.run.name): Sent(job=one, log=f"{FOLDER}/{one}_0_log.out")
            for config, one in zip(configs, ids, strict=True)
        }
        ledger.note(sent)
    return sent


def _submitted(executor: Any, works: Sequence[TrainingJob]) -> list[Any]:
    """Returns submitit's jobs, those of several as an array."""
    if len(works) == 1:
        return [executor.submit(works[0])]
    with executor.batch():
        jobs = [executor.submit(work) for work in works]
    return jobs


def recover(ledger: Ledger) -> None:
    """Ends jobs that were sent by a process that was killed before it could note their ids."""
    with ledger.locked():
        if (name := ledger.read().sending) is not None:
            cancel_named(name)
            ledger.note({})


def _parameters(name: str, after: Sequence[str], wanted: Wanted, count: int) -> dict[str, Any]:
    """Returns what submitit's executor is told."""
    asked: dict[str, Any] = {
        "job_name": name,
        "time": wanted.minutes,
        "cpus_per_task": wanted.cpus,
        "srun_args": [f"--cpus-per-task={wanted.cpus}"],  # which srun no longer takes from sbatch
        "signal_delay_s": _WARNED,
        "stderr_to_stdout": True,
        # Where nobody follows the jobs, those that wait in vain would stay in the queue for ever.
        "additional_parameters": {"requeue": True, "kill-on-invalid-dep": "yes", **wanted.more},
    }
    if wanted.partition is not None:
        asked["partition"] = wanted.partition
    if wanted.account is not None:
        asked["account"] = wanted.account
    if wanted.gpus:
        asked["gpus_per_node"] = wanted.gpus
    asked["array_parallelism"] = wanted.at_once or count
    if after:
        asked["dependency"] = f"afterok:{':'.join(after)}"
    return asked
