"""``reid-srdl train``."""

from __future__ import annotations

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
    resume: options.Resume = None,
    print_config: options.PrintConfig = False,
    plan: options.Plan = False,
    json: options.Json = False,
) -> None:
    """Train a network, evaluate it, and record the run in runs/NAME.

    A run that was stopped goes on where it was: by --resume, or by the same command again.
    """
    if resume is not None:
        if given.keys() - {"train.device"} or config or set_:
            raise UserError(
                "--resume: takes the run's own configuration and no other option than --device",
                "leave the other options out, or start another run with another --name",
                usage=True,
            )
        _run(None, resume, given.get("train.device"))
        return
    if json and not plan:
        raise UserError("--json: is for --plan", "add --plan, or leave --json out", usage=True)
    chosen = _configuration(given, config, set_ or [])
    if plan:
        _plan(chosen, json)
        return
    if print_config:
        from reid_srdl.config import to_yaml

        print(to_yaml(chosen), end="")
        return
    _run(chosen)


def _configuration(given: dict[str, Any], file: Path | None, assignments: list[str]) -> AnyConfig:
    """Lays options over the YAML file over the defaults."""
    from reid_srdl.config import merge, parse_assignments, place, read_yaml
    from reid_srdl.jobs.experiment import experiment

    tree = merge(read_yaml(file) if file else {}, parse_assignments(assignments))
    for path, value in given.items():
        place(tree, path, value)
    return experiment(tree)


def _run(config: AnyConfig | None, resumed: Path | None = None, device: str | None = None) -> None:
    """Trains under a display and prints what came out."""
    from reid_srdl.jobs.train import resume as go_on
    from reid_srdl.jobs.train import train as begin
    from reid_srdl.report.progress import Display
    from reid_srdl.report.run import print_run
    from reid_srdl.report.say import tell

    try:
        with Display() as display:
            if resumed is not None:
                record, folder = go_on(resumed, display, device=device), resumed
            else:
                assert config is not None
                record = begin(config, display)
                folder = config.run.dir / record.name
    except KeyboardInterrupt:
        tell("stopped; what was done is kept, and the same command goes on from there")
        raise
    print_run(record, folder)


def _plan(config: AnyConfig, as_json: bool) -> None:
    """Prints what training would do, and writes nothing."""
    from reid_srdl.jobs.train import plan
    from reid_srdl.report.plan import plan_lines, plan_table
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import say, show, show_json

    with Display() as display:
        planned = plan(config, display)
    if as_json:
        show_json(planned)
        return
    show(plan_table(planned))
    for line in plan_lines(planned):
        say(line)
