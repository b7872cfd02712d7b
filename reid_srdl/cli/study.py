"""``reid-srdl study``: each table of the paper, run and shown beside the published numbers."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reid_srdl.cli.generated import with_options
from reid_srdl.cli.help import App
from reid_srdl.cli.options import Form, Output
from reid_srdl.config.option import WHERE
from reid_srdl.report.formats import Format

if TYPE_CHECKING:
    from reid_srdl.jobs.studies.conduct import Where
    from reid_srdl.records.studies.plan import Plan

app = App(name="study", help="Run and show grids of runs beside published numbers.")

WHAT = "What is run"
RUN_EXAMPLE = (
    "Examples:  reid-srdl study run table4 --data-dir DIR   |   "
    "reid-srdl study run table1 --data-dir cifar100=DIR --cells cifar100-resnet32-srdl --seeds 0,1"
)
SHOW_EXAMPLE = "Example:  reid-srdl study show table4 --format markdown"
LIST_EXAMPLE = "Example:  reid-srdl study list"

Study = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="A name from reid-srdl study list, or a YAML file.",
        show_default=False,
    ),
]
Runs = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        rich_help_panel=WHERE,
        help="Folder of all runs; the study's own stand in studies/STUDY below it. Any finished "
        "run in it of the same configuration and seed counts, whoever trained it.",
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        metavar="0,1,...", rich_help_panel=WHAT, help="These seeds; default: the study's."
    ),
]
Cells = Annotated[
    str | None,
    typer.Option(metavar="A,B,...", rich_help_panel=WHAT, help="These cells; default: all."),
]
Scale = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        rich_help_panel=WHAT,
        help="A rehearsal with this share of the epochs, in a folder of its own; its numbers are "
        "marked and not comparable with the paper.",
    ),
]


@app.command(epilog=RUN_EXAMPLE)
@with_options("train", only={"train.device": WHERE, "train.precision": WHERE})
def run(
    given: dict[str, Any],
    study: Study,
    data_dir: Annotated[
        list[str] | None,
        typer.Option(
            "--data-dir",
            metavar="[NAME=]DIR",
            rich_help_panel=WHERE,
            help="Where data sets are, or one of them by its name; may be repeated. "
            "Default: $REID_SRDL_DATA.",
            show_default=False,
        ),
    ] = None,
    runs: Runs = Path("runs"),
    seeds: Seeds = None,
    cells: Cells = None,
    scale: Scale = 1.0,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            rich_help_panel=WHERE,
            help="Runs at once. Default: 1 on CPU; on CUDA one for each 16 GiB of free memory and "
            "2 cores, at least 1 (a guess: a run that needs more fails, and goes on with fewer).",
            show_default=False,
        ),
    ] = None,
    compile_: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile",
            rich_help_panel=WHERE,
            help="Train what torch.compile makes of the networks; default: as the study says.",
            show_default=False,
        ),
    ] = None,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            rich_help_panel=WHAT,
            help="Print images, time and disk of what is missing, by a few steps of each; train "
            "nothing.",
        ),
    ] = False,
) -> None:
    """Train what a study lacks; finished runs are left alone, stopped ones go on.

    Each run is a process of its own and as durable as by reid-srdl train. If one fails, its error
    is reported and the others go on; the exit status is 1 then.
    """
    from reid_srdl.jobs.studies.asked import asked_plan, check_precision, data_dirs, found_runs
    from reid_srdl.jobs.studies.content import contents_in

    device, precision = given.get("train.device"), given.get("train.precision")
    check_precision(precision)
    plan = asked_plan(study, scale, seeds, cells)
    places = data_dirs(data_dir or [])
    from reid_srdl.jobs.studies.conduct import Where
    from reid_srdl.jobs.studies.run import run_study
    from reid_srdl.jobs.studies.share import share_machine
    from reid_srdl.jobs.studies.widths import measure_widths
    from reid_srdl.report.say import tell, tell_all
    from reid_srdl.report.study import marked_title
    from reid_srdl.report.study_end import command_to_show, end_of_study
    from reid_srdl.report.study_progress import StudyDisplay

    found, notes = found_runs(plan, runs, content_of=contents_in(places))
    tell_all("note", notes)
    shared = share_machine(device, jobs)
    where = Where(runs, places, device, precision, compile_, shared.threads, shared.jobs)
    if estimate:
        return _estimate(plan, found, where, marked_title(plan.study.title, scale))
    try:
        with StudyDisplay(marked_title(plan.study.title, scale), shared.jobs) as display:
            outcomes = run_study(plan, found, where, display)
    except KeyboardInterrupt:
        tell("stopped; the same command goes on from there")
        raise
    folders = {one.run.name: one.folder for one in outcomes if one.state != "failed"}
    unmeasured = measure_widths(plan, folders, where)
    tell(end_of_study(outcomes, unmeasured, command_to_show(study, runs, scale)))


def _estimate(plan: Plan, found: Collection[str], where: Where, title: str) -> None:
    """Prints what training what is missing would take."""
    from reid_srdl.jobs.studies.estimate import estimate
    from reid_srdl.report.estimate import estimate_table
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import show

    with Display() as display:
        estimated = estimate(plan, found, where, display)
    show(estimate_table(estimated, f"{title}: what is missing, one run after another"))


@app.command(epilog=SHOW_EXAMPLE)
def show(
    study: Study,
    runs: Runs = Path("runs"),
    seeds: Seeds = None,
    cells: Cells = None,
    scale: Scale = 1.0,
    form: Form = Format.TABLE,
    output: Output = None,
) -> None:
    """Show a study: the paper's numbers and ours side by side, and what has not been run.

    Mean, standard deviation and 95 % interval (Student's t) over seeds; gains paired by seed, with
    the p-value of the paired t-test. With vanilla and five seeds or more, a verdict on each method:
    Holm's correction over all of them, Dunnett's test beside it.
    """
    from reid_srdl.jobs.studies.asked import asked_plan, found_runs
    from reid_srdl.records.studies import gather
    from reid_srdl.report.formats import publish
    from reid_srdl.report.say import tell_all
    from reid_srdl.report.study import study_tables
    from reid_srdl.report.study_export import study_csv_table, study_json
    from reid_srdl.report.verdicts import verdict_table

    plan = asked_plan(study, scale, seeds, cells)
    found, notes = found_runs(plan, runs, foreign=True)
    tell_all("note", notes)
    results = gather(plan, found)
    publish(
        [*study_tables(results), *([verdict_table(results)] if results.verdicts else [])],
        form,
        output,
        "the study",
        rows=[study_csv_table(results)],
        tree=study_json(results),
    )


@app.command("list", epilog=LIST_EXAMPLE)
def list_() -> None:
    """List the studies that come with reid-srdl."""
    from reid_srdl.records.studies import read_study, study_files
    from reid_srdl.report.say import show_pairs
    from reid_srdl.report.study import study_summary

    show_pairs((name, study_summary(read_study(path))) for name, path in study_files().items())
