"""``reid-srdl train``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reid_srdl.errors import UserError
from reid_srdl.jobs.slurm.asked import QueueLine
from reid_srdl.jobs.train_input import TrainLine
from reid_srdl.shell import options
from reid_srdl.shell.generated import with_options

if TYPE_CHECKING:
    from reid_srdl.config import AnyConfig
    from reid_srdl.group.processes import Group

EXAMPLE = (
    "Example: reid-srdl train --dataset market1501 --data-dir DIR --model resnet50 --method srdl "
    "--set optim.lr=0.05 --seed 1"
)
_STOPPED = "stopped; what was done is kept, and the same command goes on from there"


@with_options("train", own=TrainLine, hidden=QueueLine.panel().keys() - {"on"})
def train(given: dict[str, Any], json: options.Json = False) -> None:
    """Train a network, evaluate it, and record the run in runs/NAME.

    To resume a run that was stopped, give the same command again, or use --resume.
    Several processes share each batch: torchrun --nproc-per-node N -m reid_srdl train ...
    """
    asked = TrainLine.of("train", given)
    asked.check(json=json)
    if asked.offline:
        from reid_srdl.models.offline import go_offline

        go_offline()
    from reid_srdl.group.processes import joined

    with joined("what was done is kept") as group:
        asked.check_shared(group)
        if asked.resume is not None:
            return _run(asked, group, as_json=json)
        from reid_srdl.jobs.experiment import configured

        chosen = configured(asked.given, asked.config, asked.assignments or (), asked.origin)
        if asked.share is not None or asked.seeds is not None:
            from reid_srdl.jobs.sharing import with_store

            chosen = with_store(chosen, on=asked.share is not False)
        if asked.seeds is not None:
            _seeds(chosen, asked, json)
        elif asked.plan:
            _plan(chosen, json)
        elif asked.print_config:
            from reid_srdl.config import to_yaml

            print(to_yaml(chosen), end="")
        else:
            _run(asked, group, chosen, as_json=json)


def _plan(config: AnyConfig, as_json: bool) -> None:
    """Prints what training would do, and writes nothing."""
    from reid_srdl.jobs.dry_run import plan
    from reid_srdl.report.plan import print_plan
    from reid_srdl.report.progress import Display

    with Display() as display:
        planned = plan(config, display)
    print_plan(planned, as_json=as_json)


def _run(
    asked: TrainLine, group: Group, config: AnyConfig | None = None, *, as_json: bool | None
) -> None:
    """Trains, or goes on with a run; of several processes number 0 shows it and what came out.

    Args:
        asked: what is asked for.
        group: the processes.
        config: a new run's; None: a run goes on.
        as_json: print the record's facts as JSON alone; None: print nothing.
    """
    from reid_srdl.jobs import train as job
    from reid_srdl.report.progress import Display
    from reid_srdl.report.run import print_run
    from reid_srdl.report.say import tell, telling_of_stop

    speaks = group.rank == 0
    if group.size > 1 and group.local_rank == 0:
        elsewhere = f"; the one on {group.writer} writes" if group.rank else ""
        tell(f"{group.size} processes share each batch{elsewhere}")
    how: dict[str, Any] = {"group": group, "tensorboard": asked.tensorboard and speaks}
    with telling_of_stop(_STOPPED if speaks else None), Display(shown=speaks, run=True) as display:
        if config is not None:
            record = job.train(config, display, **how)
            folder = config.run.dir / record.name
        else:
            assert asked.resume is not None
            folder, given = asked.resume, asked.given
            moved = {"device": given.get("train.device"), "data_dirs": given.get("data.dir", ())}
            record = job.resume(folder, display, **moved, **how)
    if speaks and as_json is not None:
        print_run(record, folder, as_json=as_json)


def _seeds(config: AnyConfig, asked: TrainLine, as_json: bool) -> None:
    """Trains a run from each seed, and prints their row in the leaderboard."""
    from reid_srdl.group.processes import Alone
    from reid_srdl.jobs.seeds import rows_of, seeded, train_at_once
    from reid_srdl.jobs.slurm.asked import told_of_stop
    from reid_srdl.jobs.studies.asked import seed_numbers
    from reid_srdl.report.formats import Format, publish
    from reid_srdl.report.leaderboard import leaderboard_tables
    from reid_srdl.report.say import tell, telling_of_stop
    from reid_srdl.report.study_progress import StudyDisplay

    assert asked.seeds is not None
    text, jobs, wanted = asked.seeds, asked.jobs or 1, asked.wanted(asked.jobs)
    configs, failed = seeded(config, seed_numbers(text), tell, elsewhere=wanted is not None), []
    if jobs == 1 and wanted is None:
        for one in configs:
            _run(asked, Alone(), one, as_json=None if as_json else False)
    else:
        at_once = jobs if wanted is None else wanted.at_once or 0
        stopped = telling_of_stop(told_of_stop(wanted))
        with stopped, StudyDisplay(f"seeds {text}", at_once) as display:
            outcomes = train_at_once(configs, jobs, display, wanted)
        failed = [one for one in outcomes if one.state == "failed"]
    if len(failed) < len(configs):
        tables = leaderboard_tables(rows_of(configs))
        publish(tables, Format.JSON if as_json else Format.TABLE, None, "the rows")
    if failed:
        raise UserError(
            "; ".join(f"{one.run.name}: {one.error}" for one in failed),
            "mend it and give the same command again: finished runs are read back",
        )
