"""``reid-srdl search``: the people nearest to one image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reid_srdl.cli.eval_options import Distance
from reid_srdl.errors import FileError

WHERE, RULES, OUTPUT = "Where to search", "Rules", "Output"
EXAMPLE = (
    "Examples:  reid-srdl search runs/NAME query/0001_c1s1_001051_00.jpg   |   "
    "reid-srdl search runs/NAME person.png --gallery crops/ --top-k 20 --json"
)


def search(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.", show_default=False)],
    image: Annotated[
        Path, typer.Argument(help="Image of one person (JPEG, PNG, BMP).", show_default=False)
    ],
    gallery: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel=WHERE,
            help="Any folder of crops; default: the gallery of the run's own data set. Its "
            "features are kept in RUN/search for the next time.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel=WHERE,
            help="Where the run's data set is; default: the run's own, or $REID_SRDL_DATA.",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=WHERE)
    ] = "auto",
    distance: Annotated[
        Distance | None,
        typer.Option(rich_help_panel=RULES, help="Of two features; default: the run's own."),
    ] = None,
    normalize: Annotated[
        bool | None,
        typer.Option(
            "--normalize/--raw",
            rich_help_panel=RULES,
            show_default=False,
            help="L2-normalise features first; default: the run's own.",
        ),
    ] = None,
    top_k: Annotated[
        int, typer.Option(min=1, metavar="N", rich_help_panel=OUTPUT, help="How many to show.")
    ] = 10,
    json: Annotated[
        bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Print JSON alone.")
    ] = False,
) -> None:
    """Search a gallery for the people nearest to an image: names, identities, cameras, distances.

    Distances are Euclidean, or 1 - cos with --distance cosine. Junk (pid -1) takes no part.
    """
    changes: dict[str, Any] = {"distance": distance and distance.value, "normalize": normalize}
    from reid_srdl.jobs.search import search_run
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import show, show_json, tell
    from reid_srdl.report.search import answer_table

    refused: list[FileError] = []
    with Display(0) as display:
        answer = search_run(
            run,
            image,
            gallery=gallery,
            data_dir=data_dir,
            k=top_k,
            changes={key: value for key, value in changes.items() if value is not None},
            device=device,
            steps=display.steps,
            refused=refused.append,
        )
    if json:
        show_json(answer.as_json())
    else:
        show(answer_table(answer))
    for error in refused:
        tell(f"note: {error.what}; the next search computes them again")
