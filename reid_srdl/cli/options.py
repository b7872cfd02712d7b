"""Options that are no keys of the configuration, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid_srdl.config.option import ENGINE, HOW, OUTPUT, TESTED, WHAT, WHERE
from reid_srdl.report.formats import Format

RANK_LISTS = Path("rank_lists.csv")

ConfigFile = Annotated[
    Path | None,
    typer.Option(help="YAML file of keys; options given here go before it.", rich_help_panel=WHAT),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any key, e.g. optim.lr=0.05 or method.restart=off; may be repeated.",
        rich_help_panel=HOW,
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Go on with the run in this folder, by its own configuration.",
        rich_help_panel=WHERE,
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="RUN:PHASE[@EPOCH]",
        help="Start a new run, configured as RUN, from what PHASE had trained by EPOCH; default: "
        "the last epoch that is kept.",
        rich_help_panel=WHAT,
    ),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Fetch nothing, as with REID_SRDL_OFFLINE=1; what is missing is an error.",
        rich_help_panel=WHERE,
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        metavar="0,1,...",
        help="A run from each of these seeds, and their row in the leaderboard at the end.",
        rich_help_panel=HOW,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="With --seeds: runs at once, each a process of its own; default: 1.",
        rich_help_panel=WHERE,
    ),
]
PrintConfig = Annotated[
    bool,
    typer.Option(
        "--print-config", help="Print the whole configuration and stop.", rich_help_panel=WHERE
    ),
]

Plan = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Print phases, cost and the time that they take, and stop; nothing is written.",
        rich_help_panel=WHERE,
    ),
]

Run = Annotated[
    Path | None, typer.Argument(metavar="[RUN]", help="Folder of a run.", show_default=False)
]
FeaturesFile = Annotated[
    Path | None,
    typer.Option(
        "--features",
        metavar="FILE|DIR",
        rich_help_panel=TESTED,
        help="Features that other software made: .npz with query_features (Q x D), query_pids, "
        "query_camids, the same for gallery_ and optionally multi_; a folder of the same as "
        ".npy, whose gallery may be larger than memory; or layumi's .mat.",
    ),
]
DistancesFile = Annotated[
    Path | None,
    typer.Option(
        "--distances",
        metavar="FILE",
        rich_help_panel=TESTED,
        help="Distances that other software made: a .npy of queries x gallery images, which may be "
        "larger than memory, with --labels; or a .npz that holds them as distances beside the "
        "labels.",
    ),
]
LabelsFile = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE|DIR",
        rich_help_panel=TESTED,
        help="With --distances: query_pids, query_camids, gallery_pids, gallery_camids; any file "
        "of features has them.",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=TESTED,
        help="A network of another code, with --model and --dataset; an ONNX file: --model onnx.",
    ),
]
Told = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        rich_help_panel=TESTED,
        help="What the keys of such a file cannot show; an error names it. May be repeated.",
    ),
]
Normalisation = Annotated[
    str | None,
    typer.Option(
        metavar="imagenet|half|none",
        rich_help_panel=TESTED,
        help="How an ONNX file takes pixels: by ImageNet's mean and deviation, in -1..1, in 0..1. "
        "A file of our own export needs neither this nor --channels.",
    ),
]
Channels = Annotated[
    str | None,
    typer.Option(
        metavar="rgb|bgr",
        rich_help_panel=TESTED,
        help="Which colour an ONNX file takes first, red or blue.",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        rich_help_panel=TESTED,
        help="Which division, where the data set has several, or all: means over them; "
        "default: the run's own, or 0.",
    ),
]
Distractors = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        rich_help_panel=TESTED,
        help="A folder of images that join the gallery as nobody's (pid 0), e.g. Market-1501's "
        "500k.",
    ),
]
Device = Annotated[str, typer.Option(rich_help_panel=ENGINE, help="auto, cpu, cuda or cuda:N.")]
EvalDevice = Annotated[
    str,
    typer.Option(
        rich_help_panel=ENGINE,
        help="cpu, cuda or cuda:N; auto: CUDA for a run where there is one, cpu for features.",
    ),
]
PerQuery = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help="Write AP and first rank of each query (.csv or .json).",
    ),
]
TopK = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel=OUTPUT,
        help="Write each query's first N gallery images: names, cameras, distances.",
    ),
]
RankLists = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help=f"Where --top-k writes to (.csv or .json); default: {RANK_LISTS}.",
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", rich_help_panel=OUTPUT, help="Print JSON alone, fractions from 0 to 1."),
]
PlainJson = Annotated[
    bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Print JSON alone.")
]
FinishedRun = Annotated[Path, typer.Argument(help="Folder of a finished run.", show_default=False)]
Form = Annotated[
    Format,
    typer.Option("--format", help="json and csv hold raw fractions.", rich_help_panel=OUTPUT),
]
Output = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help="Write to this file; default: standard output.",
    ),
]
