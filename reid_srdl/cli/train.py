"""``reid-srdl train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reid_srdl.errors import UserError

if TYPE_CHECKING:
    from reid_srdl.config import AnyConfig

WHAT = "What is trained"
HOW = "How it is trained"
WHERE = "Where"
EXAMPLE = (
    "Example: reid-srdl train --dataset market1501 --data-dir DIR --model resnet50 --method srdl "
    "--set optim.lr=0.05 --seed 1"
)


def train(
    dataset: Annotated[
        str | None,
        typer.Option(
            help="market1501, cifar100, walkers, folder (any crops), class-folder, ...: see "
            "reid-srdl data list. Default: market1501.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="The data set's folder or zip, or what holds it; default: $REID_SRDL_DATA.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="resnet50, densenet121, resnet32, wrn-28-10, ..., or torchvision:NAME, "
            "timm:NAME, torchreid:NAME; default: the data set's, or resnet50.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="{methods}; default: srdl.", rich_help_panel=WHAT),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of keys; options given here go before it.", rich_help_panel=WHAT
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Epochs in all, both stages; default: the data set's, or 120.", rich_help_panel=HOW
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Images of a batch; default: the data set's, or 32.", rich_help_panel=HOW
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of every random draw; default: 0.", rich_help_panel=HOW)
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any key, e.g. optim.lr=0.05 or method.restart=off; may be repeated.",
            rich_help_panel=HOW,
        ),
    ] = None,
    eval_: Annotated[
        bool | None,
        typer.Option(
            "--eval/--no-eval",
            help="Evaluate at the end; default: eval.",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="The run's name; default: made from the settings.", rich_help_panel=WHERE
        ),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(help="Folder of the runs; default: runs.", rich_help_panel=WHERE),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="auto, cpu, cuda or cuda:N; default: auto.", rich_help_panel=WHERE),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="bf16, fp32, or auto: bf16 where the processor has it; default: auto.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Go on with the run in this folder, by its own configuration.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    show: Annotated[
        bool,
        typer.Option(
            "--print-config", help="Print the whole configuration and stop.", rich_help_panel=WHERE
        ),
    ] = False,
) -> None:
    """Train a network, evaluate it, and record the run in runs/NAME.

    A run that was stopped goes on where it was: by --resume, or by the same command again.
    """
    options = {
        "data.name": dataset,
        "data.dir": data_dir,
        "model.name": model,
        "method.name": method,
        "train.epochs": epochs,
        "optim.batch_size": batch_size,
        "train.seed": seed,
        "eval.enabled": eval_,
        "run.name": name,
        "run.dir": runs,
        "train.device": device,
        "train.precision": precision,
    }
    given = {path: value for path, value in options.items() if value is not None}
    if resume is not None:
        _check_nothing_else(given, config, set_)
        _run(None, resume, device)
        return
    chosen = _configuration(given, config, set_ or [])
    if show:
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


def _check_nothing_else(
    given: dict[str, Any], file: Path | None, assignments: list[str] | None
) -> None:
    if given.keys() - {"train.device"} or file or assignments:
        raise UserError(
            "--resume: takes the run's own configuration and no other option than --device",
            "leave the other options out, or start another run with another --name",
            usage=True,
        )


def _run(config: AnyConfig | None, resumed: Path | None = None, device: str | None = None) -> None:
    """Trains under a display and prints what came out."""
    from rich.console import Console

    from reid_srdl.jobs.train import resume as go_on
    from reid_srdl.jobs.train import train as begin
    from reid_srdl.methods import OPTIONS
    from reid_srdl.records.folder import RunFolder
    from reid_srdl.report.progress import Display
    from reid_srdl.report.run import print_run

    settings = config or RunFolder(resumed or Path()).read_config(OPTIONS)
    try:
        with Display(settings.method.epochs_in_all(settings.train.epochs)) as display:
            record = go_on(resumed, display, device=device) if resumed else begin(settings, display)
    except KeyboardInterrupt:
        line = "stopped; finished epochs are kept, and the same command goes on from there"
        Console(stderr=True).print(line, soft_wrap=True)
        raise
    print_run(record, resumed or settings.run.dir / record.name, Console())
