"""Options that are no keys of the configuration: how one is declared, and those that many have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reid_srdl.config.option import ENGINE, OUTPUT
from reid_srdl.report.formats import Format

FORM = "--format"


def option(
    panel: str | None, help: str, metavar: str | None = None, flags: str = "", **more: Any
) -> Any:
    """Declares an option.

    Args:
        panel: under which heading of the help; None: among the general ones.
        help: what the help says.
        metavar: what stands for the value; None: its type.
        flags: its names, apart by blanks; by default the parameter's.
        more: as of `typer.Option`, e.g. ``min``.
    """
    return typer.Option(*flags.split(), metavar=metavar, rich_help_panel=panel, help=help, **more)


def argument(help: str, metavar: str | None = None, *, default: bool = False) -> Any:
    """Declares an argument; the help shows its default if asked to."""
    return typer.Argument(metavar=metavar, help=help, show_default=default)


def written(help: str, panel: str = OUTPUT) -> Any:
    """Declares the option for the file that a command writes."""
    return option(panel, help, flags="--output -o")


def figure(what: str) -> Any:
    """Declares the option for a figure's file."""
    return option(OUTPUT, f"{what} (.png, .svg or .pdf).", "FILE")


Run = Annotated[Path | None, argument("Folder of a run.", "[RUN]")]
FinishedRun = Annotated[Path, argument("Folder of a finished run.")]
FinishedRuns = Annotated[list[Path], argument("Folders of finished runs.")]
Device = Annotated[str, option(ENGINE, "auto, cpu, cuda or cuda:N.")]
EvalDevice = Annotated[
    str,
    option(
        ENGINE, "cpu, cuda or cuda:N; auto: CUDA for a run where there is one, cpu for features."
    ),
]
Json = Annotated[
    bool, option(OUTPUT, "Print only JSON, with fractions from 0 to 1.", flags="--json")
]
PlainJson = Annotated[bool, option(OUTPUT, "Print only JSON.", flags="--json")]
Form = Annotated[
    Format, option(OUTPUT, "Default: table; json and csv hold raw fractions.", flags=FORM)
]
Output = Annotated[
    Path | None, option(OUTPUT, "Write to this file; default: standard output.", "FILE")
]
