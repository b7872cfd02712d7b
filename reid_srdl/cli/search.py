"""``reid-srdl search``: the people nearest to one image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from reid_srdl.config.marked import section
from reid_srdl.config.option import OUTPUT, RULES
from reid_srdl.errors import FileError
from reid_srdl.shell.generated import with_options
from reid_srdl.shell.options import Device, FinishedRun, PlainJson, argument, option

WHERE = "Where to search"
EXAMPLE = (
    "Examples:  reid-srdl search runs/NAME query/0001_c1s1_001051_00.jpg   |   "
    "reid-srdl search runs/NAME person.png --gallery crops/ --top-k 20 --json"
)


@with_options(
    "eval",
    only={"data.dir": WHERE, "eval.distance": RULES, "eval.normalize": RULES},
    default="the run's own, or {default}",
)
def search(
    given: dict[str, Any],
    run: FinishedRun,
    image: Annotated[Path, argument("Image of one person.")],
    gallery: Annotated[
        Path | None,
        option(
            WHERE,
            "A folder of crops; default: the run's gallery. Its features are kept in "
            "RUN/search for the next time.",
            "DIR",
        ),
    ] = None,
    device: Device = "auto",
    top_k: Annotated[int, option(OUTPUT, "How many to show.", "N", min=1)] = 10,
    threshold: Annotated[
        float | None,
        option(
            OUTPUT,
            "Leave out images that are farther than this; eval --verification finds one.",
            "T",
        ),
    ] = None,
    picture: Annotated[Path | None, option(OUTPUT, "Draw what is found (.png).", "FILE")] = None,
    json: PlainJson = False,
) -> None:
    """Search a gallery for the people nearest to an image: names, identities, cameras, distances.

    Distances are Euclidean, or 1 - cos with --distance cosine. Junk (pid -1) is left out.
    """
    from reid_srdl.jobs.search import search_run
    from reid_srdl.report.pictures import check_picture, draw_answer
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import present, tell_all
    from reid_srdl.report.search import answer_table

    if picture is not None:
        check_picture(picture)
    refused: list[FileError] = []
    with Display() as display:
        answer = search_run(
            run,
            image,
            gallery=gallery,
            data_dir=given.get("data.dir"),
            k=top_k,
            threshold=threshold,
            changes=section(given, "eval"),
            device=device,
            steps=display.steps,
            refused=refused.append,
        )
    tell_all("note", answer.notes)
    present(answer_table(answer), answer.as_json(), as_json=json)
    if picture is not None:
        draw_answer(picture, answer)
        tell_all("written", [picture])
    tell_all("note", (f"{error.what}; the next search computes them again" for error in refused))
