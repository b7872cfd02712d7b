"""One experiment from several seeds, each an ordinary run: in turn, or several at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from reid_srdl.config import AnyConfig, sets_of
from reid_srdl.jobs.computing import compute_of
from reid_srdl.jobs.opening import resolve_run
from reid_srdl.jobs.slurm.asked import Wanted, share_of
from reid_srdl.jobs.slurm.follow import QueueListener, conduct_on_slurm
from reid_srdl.jobs.slurm.queue import check_there
from reid_srdl.jobs.studies.conduct import Where, conduct
from reid_srdl.jobs.studies.share import share_machine
from reid_srdl.records.board import Leaderboard
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.store import read_records
from reid_srdl.records.studies.plan import RunPlan
from reid_srdl.records.studies.progress import Outcome

_LOGS = ".logs"  # hidden, so that nothing takes it for a run


def seeded(
    config: AnyConfig,
    seeds: Sequence[int],
    noted: Callable[[str], None] = lambda line: None,
    *,
    elsewhere: bool = False,
) -> list[AnyConfig]:
    """Returns the experiment from each seed, its run named; a name that is given gets ``-seedN``.

    Args:
        config: the experiment.
        seeds: as they were asked for; each counts once.
        noted: told where bf16 would be wrong, see `compute_of`.
        elsewhere: other machines train them, and choose device, precision and threads; then
            nothing here decides on a name.

    Raises:
        UserError: the device is not there.
    """
    train, made = config.train, []
    compute = None if elsewhere else compute_of(config, noted)
    for seed in dict.fromkeys(seeds):
        name = config.run.name and f"{config.run.name}-seed{seed}"
        own = {
            "train": train.model_copy(update={"seed": seed}),
            "run": config.run.model_copy(update={"name": name}),
        }
        made.append(resolve_run(config.model_copy(update=own), compute))
    return made


def train_at_once(
    configs: Sequence[AnyConfig],
    jobs: int,
    listener: QueueListener,
    wanted: Wanted | None = None,
) -> list[Outcome]:
    """Trains runs of one experiment, several at once, each in a process of its own.

    A run that is finished is read back, one that was stopped goes on.

    Args:
        configs: as `seeded` makes them.
        jobs: runs at once; they share the CPU's cores.
        listener: told of the progress.
        wanted: what each run gets as a job of SLURM; None: they are trained on this machine.

    Raises:
        KeyboardInterrupt: the processes have been stopped before; jobs of SLURM go on.
    """
    first = configs[0]
    places = dict(sets_of(first.data))
    shared = share_machine(first.train.device, jobs) if wanted is None else share_of(wanted)
    where = Where(
        first.run.dir,
        places.get,
        threads=shared.threads,
        jobs=shared.jobs,
        logs=_LOGS,
        share=first.run.shared is not None,
    )
    runs = [RunPlan(str(one.run.name), (), "", one.train.seed, one, (), None) for one in configs]
    if wanted is not None:
        check_there()
        return conduct_on_slurm(runs, {}, where, first.run.dir, wanted, listener)
    return conduct(runs, {}, where, first.run.dir, listener)


def rows_of(configs: Sequence[AnyConfig]) -> Leaderboard:
    """Returns the rows of the leaderboard that finished runs stand in, with their gains.

    Raises:
        UserError: none is finished.
    """
    names = {one.run.name for one in configs}
    board = leaderboard(read_records(configs[0].run.dir, queries=False)[0])
    rows = tuple(row for row in board.rows if names & set(row.runs))
    gains = tuple(gain for gain in board.gains if gain.row in rows)
    return replace(board, rows=rows, gains=gains, notes=())
