"""``reid-srdl study``: each table of the paper, run and shown beside the published numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reid_srdl.cli.help import App
from reid_srdl.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from reid_srdl.records.studies import Plan
    from reid_srdl.records.studies.match import FoundRun
    from reid_srdl.records.studies.results import StudyResults

app = App(name="study", help="Run and show grids of runs beside published numbers.")

WHAT, WHERE, OUTPUT = "What is run", "Where", "Output"
RUN_EXAMPLE = (
    "Examples:  reid-srdl study run table4 --data-dir DIR   |   "
    "reid-srdl study run table1 --data-dir cifar100=DIR --cells cifar100-resnet32-srdl --seeds 0,1"
)
SHOW_EXAMPLE = "Example:  reid-srdl study show table4 --format markdown"
LIST_EXAMPLE = "Example:  reid-srdl study list"


class Format(StrEnum):
    """How a study is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"


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
def run(
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
    device: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=WHERE,
            help="auto, cpu, cuda or cuda:N; default: auto.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=WHERE, help="bf16, fp32 or auto; default: auto.", show_default=False
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
) -> None:
    """Train what a study lacks; finished runs are left alone, stopped ones go on.

    Each run is a process of its own and as durable as by reid-srdl train. If one fails, its error
    is reported and the others go on; the exit status is 1 then.
    """
    plan = _plan(study, scale, seeds, cells)
    places = _data_dirs(data_dir or [])
    from reid_srdl.jobs.studies.run import Where, run_study
    from reid_srdl.jobs.studies.share import share_machine
    from reid_srdl.report.say import tell
    from reid_srdl.report.study import rehearsal
    from reid_srdl.report.study_progress import StudyDisplay

    found = _found(plan, runs)
    _check_choice("--precision", precision, ("auto", "bf16", "fp32"))
    shared = share_machine(device, jobs)
    where = Where(runs, places, device, precision, compile_, shared.threads, shared.jobs)
    mark = rehearsal(scale)
    title = plan.study.title + (f" ({mark})" if mark else "")
    try:
        with StudyDisplay(title, shared.jobs) as display:
            outcomes = run_study(plan, found, where, display)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from there", file=sys.stderr)
        raise
    failed: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.state == "failed":
            failed.setdefault(outcome.error, []).append(outcome.run.name)
    if plan.study.width is not None:
        from reid_srdl.jobs.studies.widths import measure_widths

        folders = {one.run.name: one.folder for one in outcomes if one.state != "failed"}
        for name, error in measure_widths(plan, folders, where).items():
            failed.setdefault(error, []).append(f"the width of {name}")
    again = f"reid-srdl study show {study}"
    again += f" --runs {runs}" if runs != Path("runs") else ""
    again += f" --scale {scale:g}" if scale != 1 else ""
    if failed:
        count = sum(map(len, failed.values()))
        raise UserError(
            f"{count} of {len(outcomes)} runs failed: "
            + "; ".join(f"{', '.join(names)}: {error}" for error, names in failed.items()),
            f"mend what they say, and give the same command again; see the others with {again}",
        )
    tell(f"all {len(outcomes)} runs are finished; see them with {again}")


@app.command(epilog=SHOW_EXAMPLE)
def show(
    study: Study,
    runs: Runs = Path("runs"),
    seeds: Seeds = None,
    cells: Cells = None,
    scale: Scale = 1.0,
    form: Annotated[
        Format,
        typer.Option("--format", help="json and csv hold raw fractions.", rich_help_panel=OUTPUT),
    ] = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Write to this file; default: standard output.",
            metavar="FILE",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
) -> None:
    """Show a study: the paper's numbers and ours side by side, and what has not been run.

    Mean, standard deviation and 95 % interval (Student's t) over seeds; gains paired by seed, with
    the p-value of the paired t-test.
    """
    from reid_srdl.records.studies import gather
    from reid_srdl.report.say import save

    plan = _plan(study, scale, seeds, cells)
    results = gather(plan, _found(plan, runs, telling=True))
    if output is None:
        sys.stdout.write(_text(results, form, to_terminal=True))
    else:
        save(output, _text(results, form, to_terminal=False), "the study")


@app.command("list", epilog=LIST_EXAMPLE)
def list_() -> None:
    """List the studies that come with reid-srdl."""
    from reid_srdl.records.studies import read_study, study_files
    from reid_srdl.report.say import show_pairs

    studies = {name: read_study(path) for name, path in study_files().items()}
    show_pairs(
        (
            name,
            f"{one.title} ({len(one.cells)} cells, up to {len(one.cells) * len(one.seeds)} runs)",
        )
        for name, one in studies.items()
    )


def _plan(study: str, scale: float, seeds: str | None, cells: str | None) -> Plan:
    from reid_srdl.jobs.experiment import experiment
    from reid_srdl.jobs.rehearsal import rehearse
    from reid_srdl.records.studies import find_study, plan_study, read_study

    if scale == 0:
        raise UserError("--scale: must be above 0", "e.g. --scale 0.05", usage=True)
    return plan_study(
        read_study(find_study(study)),
        experiment,
        rehearse,
        scale=scale,
        seeds=None if seeds is None else _numbers(seeds),
        cells=None if cells is None else _listed("--cells", cells),
    )


def _found(plan: Plan, runs: Path, *, telling: bool = False) -> dict[str, FoundRun]:
    """Matches the finished runs below a folder with a plan's, and says what cannot be read."""
    from reid_srdl.config import resolve
    from reid_srdl.methods import OPTIONS
    from reid_srdl.records.studies.match import finished_runs, foreign_runs, match
    from reid_srdl.report.say import tell

    finished, problems = finished_runs(runs, lambda tree: resolve(tree, OPTIONS))
    found = match(plan, runs, finished)
    if telling:
        others = foreign_runs(plan, runs, found, lambda tree: resolve(tree, OPTIONS))
        problems += [
            f"{folder}: holds a run of another configuration (left out)" for folder in others
        ]
    for line in problems:
        tell(f"note: {line}")
    return found


def _listed(option: str, text: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise UserError(f"{option}: names nothing", f"write {option} A,B", usage=True)
    return words


def _numbers(text: str) -> list[int]:
    words = _listed("--seeds", text)
    if wrong := [word for word in words if not word.isdecimal()]:
        raise UserError(
            f"--seeds {text}: {', '.join(wrong)}: not a seed", "write --seeds 0,1,2", usage=True
        )
    return [int(word) for word in words]


def _data_dirs(given: Sequence[str]) -> Callable[[str], Path | None]:
    """Returns the folder of each data set: its own, else the one given for all, else None."""
    from reid_srdl.data import DATASETS

    own: dict[str, Path] = {}
    common: list[Path] = []
    for text in given:
        name, equals, path = text.partition("=")
        if equals and name in DATASETS:
            own[name] = Path(path)
        elif equals and not Path(text).exists():
            hint = f"{did_you_mean(name, DATASETS)} (write --data-dir DIR or NAME=DIR)"
            raise UserError(f"--data-dir {text}: no such data set {name!r}", hint, usage=True)
        else:
            common.append(Path(text))
    if len(common) > 1:
        raise UserError(
            f"--data-dir: two folders for all data sets: {common[0]}, {common[1]}",
            "write --data-dir NAME=DIR for single data sets",
            usage=True,
        )
    return lambda name: own.get(name, common[0] if common else None)


def _check_choice(option: str, given: str | None, known: Sequence[str]) -> None:
    if given is not None and given not in known:
        raise UserError(f"{option} {given}: no such choice", did_you_mean(given, known), usage=True)


def _text(results: StudyResults, form: Format, *, to_terminal: bool) -> str:
    from reid_srdl.report import render
    from reid_srdl.report.say import drawn
    from reid_srdl.report.study import study_tables
    from reid_srdl.report.study_export import study_csv_table, study_json
    from reid_srdl.texts import json_text

    match form:
        case Format.JSON:
            return json_text(study_json(results)) + "\n"
        case Format.CSV:
            return render.to_csv([study_csv_table(results)])
        case Format.MARKDOWN:
            return render.to_markdown(study_tables(results))
        case Format.LATEX:
            return render.to_latex(study_tables(results))
        case Format.TABLE:
            return drawn(study_tables(results), to_terminal=to_terminal)
