"""What ``reid-srdl profile`` takes besides keys of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from reid_srdl.config.marked import CommandLine
from reid_srdl.config.option import HOW, OUTPUT, WHAT, Option


class ProfileLine(CommandLine):
    """What the command line of ``profile`` asks for."""

    phase: Annotated[
        str | None,
        Option("--phase", "Which phase; default: the last one that trains.", WHAT, metavar="NAME"),
    ] = None
    assignments: Annotated[
        list[str] | None,
        Option(
            "--set",
            "Any key, e.g. optim.batch_size=128; may be repeated.",
            HOW,
            metavar="KEY=VALUE",
            many=True,
        ),
    ] = None
    steps: Annotated[
        int, Option("--steps", "Steps that are measured, each way. [default: 20]", HOW)
    ] = Field(20, ge=1, le=10**6)
    trace: Annotated[
        Path | None,
        Option(
            "--trace",
            "Write what happened when, for chrome://tracing or ui.perfetto.dev.",
            OUTPUT,
            metavar="FILE",
        ),
    ] = None
