"""``reid-srdl train``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_srdl.cli import options
from reid_srdl.cli.generated import with_options
from reid_srdl.errors import UserError

if TYPE_CHECKING:
    from reid_srdl.config import AnyConfig

EXAMPLE = (
    "Example: reid-srdl train --dataset market1501 --data-dir DIR --model resnet50 --method srdl "
    "--set optim.lr=0.05 --seed 1"
)


@with_options("train")
def train(
    given: dict[str, Any],
    config: options.ConfigFile = None,
    set_: options.Assignments = None,
    from_: options.From = None,
    seeds: options.Seeds = None,
    jobs: options.Jobs = None,
    resume: options.Resume = None,
    offline: options.Offline = False,
    print_config: options.PrintConfig = False,
    plan: options.Plan = False,
    json: options.Json = False,
) -> None:
    """Train a network, evaluate it, and record the run in runs/NAME.

    A run that was stopped goes on where it was: by --resume, or by the same command again.
    """
    if offline:
        from reid_srdl.models.offline import go_offline

        go_offline()
    if resume is not None:
        if given.keys() - {"train.device", "data.dir"} or config or set_ or from_ or seeds:
            raise UserError(
                "--resume: takes the run's own configuration, and --device and --data-dir alone",
                "leave the other options out, or start another run with another --name",
                usage=True,
            )
        return _run(None, resume, given.get("train.device"), given.get("data.dir", ()))
    if json and not plan:
        raise UserError("--json: is for --plan", "add --plan, or leave --json out", usage=True)
    if plan and print_config:
        raise UserError("--plan and --print-config: one at a time", "leave one out", usage=True)
    _check_seeds(given, seeds, jobs, plan or print_config)
    from reid_srdl.jobs.experiment import configured

    chosen = configured(given, config, set_ or [], from_)
    if seeds is not None:
        _seeds(chosen, seeds, jobs or 1)
    elif plan:
        _plan(chosen, json)
    elif print_config:
        from reid_srdl.config import to_yaml

        print(to_yaml(chosen), end="")
    else:
        _run(chosen)


def _run(
    config: AnyConfig | None,
    resumed: Path | None = None,
    device: str | None = None,
    data_dirs: Sequence[Path] = (),
) -> None:
    """Trains under a display and prints what came out."""
    from reid_srdl.jobs.train import resume as go_on
    from reid_srdl.jobs.train import train as begin
    from reid_srdl.report.progress import Display
    from reid_srdl.report.run import print_run
    from reid_srdl.report.say import tell

    try:
        with Display() as display:
            if resumed is not None:
                record = go_on(resumed, display, device=device, data_dirs=data_dirs)
                folder = resumed
            elif config is not None:
                record = begin(config, display)
                folder = config.run.dir / record.name
    except KeyboardInterrupt:
        tell("stopped; what was done is kept, and the same command goes on from there")
        raise
    print_run(record, folder)


def _check_seeds(given: Mapping[str, Any], seeds: str | None, jobs: int | None, told: bool) -> None:
    """Refuses what says nothing about several seeds, or about one."""
    if seeds is None and jobs is not None:
        raise UserError("--jobs: is for --seeds", "add --seeds, or leave --jobs out", usage=True)
    if seeds is not None and "train.seed" in given:
        raise UserError("--seed: beside --seeds", "leave one of them out", usage=True)
    if seeds is not None and told:
        what = "--seeds: --plan and --print-config tell of one run"
        raise UserError(what, "give --seed for one of the seeds", usage=True)


def _seeds(config: AnyConfig, text: str, jobs: int) -> None:
    """Trains a run from each seed, and prints their row in the leaderboard."""
    from reid_srdl.jobs.seeds import rows_of, seeded, train_at_once
    from reid_srdl.jobs.studies.asked import seed_numbers
    from reid_srdl.report.leaderboard import leaderboard_tables
    from reid_srdl.report.say import show, tell
    from reid_srdl.report.study_progress import StudyDisplay

    configs = seeded(config, seed_numbers(text))
    failed = []
    if jobs == 1:
        for one in configs:
            _run(one)
    else:
        try:
            with StudyDisplay(f"seeds {text}", jobs) as display:
                outcomes = train_at_once(configs, jobs, display)
        except KeyboardInterrupt:
            tell("stopped; what was done is kept, and the same command goes on from there")
            raise
        failed = [one for one in outcomes if one.state == "failed"]
    if len(failed) < len(configs):
        for table in leaderboard_tables(rows_of(configs)):
            show(table)
    if failed:
        raise UserError(
            "; ".join(f"{one.run.name}: {one.error}" for one in failed),
            "mend it and give the same command again: finished runs are read back",
        )


def _plan(config: AnyConfig, as_json: bool) -> None:
    """Prints what training would do, and writes nothing."""
    from reid_srdl.jobs.train import plan
    from reid_srdl.report.plan import print_plan
    from reid_srdl.report.progress import Display

    with Display() as display:
        planned = plan(config, display)
    print_plan(planned, as_json=as_json)
