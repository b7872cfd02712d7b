"""What ``reid-srdl study run`` and ``study show`` take besides the study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from reid_srdl.config.option import WHERE, Option
from reid_srdl.jobs.slurm.asked import QueueLine

WHAT = "What is run"


class StudyLine(QueueLine):
    """What the command line of a study asks for; ``show`` takes seeds, cells, scale and runs."""

    seeds: Annotated[
        str | None,
        Option("--seeds", "Only these seeds; default: the study's.", WHAT, metavar="0,1,..."),
    ] = None
    cells: Annotated[
        str | None, Option("--cells", "Only these cells; default: all.", WHAT, metavar="A,B,...")
    ] = None
    scale: Annotated[
        float,
        Option(
            "--scale",
            "A rehearsal with this share of the epochs, in a folder of its own; its numbers are "
            "marked and not comparable with the paper. [default: 1.0]",
            WHAT,
        ),
    ] = Field(1.0, ge=0, le=1)
    estimate: Annotated[
        bool,
        Option(
            "--estimate",
            "Measure a few steps of each missing run, and print the images, time and disk that "
            "they need; train nothing.",
            WHAT,
        ),
    ] = False
    data_dir: Annotated[
        list[str] | None,
        Option(
            "--data-dir",
            "Where data sets are, or where the set NAME is; may be repeated. Default: "
            "$REID_SRDL_DATA.",
            WHERE,
            metavar="[NAME=]DIR",
            many=True,
        ),
    ] = None
    runs: Annotated[
        Path,
        Option(
            "--runs",
            "Folder of all runs; the study writes its own to studies/STUDY below it. Any finished "
            "run in it with the same configuration and seed is used, too. [default: runs]",
            WHERE,
            metavar="DIR",
        ),
    ] = Path("runs")
    jobs: Annotated[
        int | None,
        Option(
            "--jobs",
            "Runs at once. Default: 1 on CPU; on CUDA one for each 16 GiB of free memory and 2 "
            "cores, at least 1 (a guess: a run that needs more fails, and is resumed with fewer "
            "at once). On SLURM: at once in each job array; default: all.",
            WHERE,
            metavar="N",
        ),
    ] = Field(None, ge=1)
    compile: Annotated[
        bool | None,
        Option(
            "--compile/--no-compile",
            "Train with torch.compile; default: as the study says.",
            WHERE,
        ),
    ] = None
    share: Annotated[
        bool,
        Option(
            "--share/--no-share",
            "Train phases that several runs need only once, such as the same teacher, and keep "
            "them in .phases below --runs; default: share.",
            WHERE,
        ),
    ] = True
