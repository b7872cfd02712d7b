"""``reid-srdl study``: each table of the paper, run and shown beside the published numbers."""

from __future__ import annotations

from typing import Annotated, Any

from reid_srdl.config.option import WHERE
from reid_srdl.errors import UserError
from reid_srdl.jobs.studies.study_input import WHAT, StudyLine
from reid_srdl.report.formats import Format
from reid_srdl.shell.generated import with_options
from reid_srdl.shell.help import App
from reid_srdl.shell.options import Form, Output, PlainJson, argument

app = App(name="study", help="Run and show grids of runs beside published numbers.")

RUN_EXAMPLE = (
    "Examples:  reid-srdl study run table4 --data-dir DIR   |   "
    "reid-srdl study run table1 --data-dir cifar100=DIR --cells cifar100-resnet32-srdl --seeds 0,1"
)
SHOW_EXAMPLE = "Example:  reid-srdl study show table4 --format markdown"
LIST_EXAMPLE = "Example:  reid-srdl study list"

Study = Annotated[str, argument("A name from reid-srdl study list, or a YAML file.", "STUDY")]
SHOWN = {"runs": WHERE, "seeds": WHAT, "cells": WHAT, "scale": WHAT}
RUN = {**SHOWN, "estimate": WHAT, "train.device": WHERE, "train.precision": WHERE}
RUN |= {"data_dir": WHERE, "jobs": WHERE, "compile": WHERE, "share": WHERE, **StudyLine.panel()}


@app.command(epilog=RUN_EXAMPLE)
@with_options("train", only=RUN, own=StudyLine)
def run(given: dict[str, Any], study: Study, json: PlainJson = False) -> None:
    """Train the missing runs of a study; stopped ones are resumed.

    Each run is a process of its own. If one fails, its error is reported and the others go on; the
    exit status is 1 then. To resume a stopped study, give the same command again.
    """
    from reid_srdl.jobs.studies.asked import asked_plan, check_precision, data_dirs, found_runs
    from reid_srdl.jobs.studies.content import contents_in

    asked = StudyLine.of("train", given)
    if json and not asked.estimate:
        raise UserError("--json: is for --estimate", "see results with study show", usage=True)
    device, precision = (asked.given.get(f"train.{key}") for key in ("device", "precision"))
    check_precision(precision)
    plan = asked_plan(study, asked.scale, asked.seeds, asked.cells)
    places = data_dirs(asked.data_dir or [])
    from reid_srdl.jobs.slurm.asked import share_of, told_of_stop
    from reid_srdl.jobs.studies.conduct import Where
    from reid_srdl.jobs.studies.run import run_study
    from reid_srdl.jobs.studies.share import share_machine
    from reid_srdl.jobs.studies.widths import measure_widths
    from reid_srdl.report.say import present, tell, tell_all, telling_of_stop
    from reid_srdl.report.study import marked_title
    from reid_srdl.report.study_end import command_to_show, end_of_study
    from reid_srdl.report.study_progress import StudyDisplay

    found, notes = found_runs(plan, asked.runs, content_of=contents_in(places))
    tell_all("note", notes)
    wanted, title = asked.wanted(asked.jobs), marked_title(plan.study.title, asked.scale)
    local = device, asked.jobs, precision
    shared = share_machine(*local) if wanted is None else share_of(wanted)
    machine = device, precision, asked.compile, shared.threads, shared.jobs
    where = Where(asked.runs, places, *machine, share=asked.share)
    if asked.estimate:
        from reid_srdl.jobs.studies.estimate import estimate
        from reid_srdl.report.estimate import estimate_json, estimate_table
        from reid_srdl.report.progress import Display

        with Display() as shown:
            estimated = estimate(plan, found, where, shown)
        what = f"{title}: what is missing, one run after another"
        return present(estimate_table(estimated, what), estimate_json(estimated), as_json=json)
    stopped = telling_of_stop(told_of_stop(wanted))
    with stopped, StudyDisplay(title, shared.jobs) as display:
        outcomes = run_study(plan, found, where, display, wanted)
    folders = {one.run.name: one.folder for one in outcomes if one.state != "failed"}
    unmeasured = measure_widths(plan, folders, where)
    then = command_to_show(study, asked.runs, asked.scale)
    tell(end_of_study(outcomes, unmeasured, then))


@app.command(epilog=SHOW_EXAMPLE)
@with_options("train", only=SHOWN, own=StudyLine)
def show(
    given: dict[str, Any], study: Study, form: Form = Format.TABLE, output: Output = None
) -> None:
    """Show a study: the paper's numbers and ours side by side, and what has not been run.

    Mean, standard deviation and 95 % interval (Student's t) over seeds; gains paired by seed. With
    five seeds or more, the p-value of the paired t-test, and a verdict on each method against
    vanilla and each contrast: Holm's correction over all of them, Dunnett's test beside it.
    """
    from reid_srdl.jobs.slurm.told import standing_of
    from reid_srdl.jobs.studies.asked import asked_plan, found_runs
    from reid_srdl.records.studies import gather
    from reid_srdl.report.formats import publish
    from reid_srdl.report.say import tell_all
    from reid_srdl.report.study import queue_table, study_tables
    from reid_srdl.report.study_export import study_csv_table, study_json
    from reid_srdl.report.verdicts import verdict_table

    asked = StudyLine.of("train", given)
    plan = asked_plan(study, asked.scale, asked.seeds, asked.cells)
    found, notes = found_runs(plan, asked.runs, foreign=True)
    tell_all("note", notes)
    results, sent = gather(plan, found), standing_of(plan, asked.runs, found)
    tables = [*study_tables(results), *([verdict_table(results)] if results.verdicts else [])]
    tables += [queue_table(sent)] if sent else []
    rows, tree = [study_csv_table(results)], study_json(results, sent)
    publish(tables, form, output, "the study", rows=rows, tree=tree)


@app.command("list", epilog=LIST_EXAMPLE)
def list_(json: PlainJson = False) -> None:
    """List the studies that come with reid-srdl."""
    from reid_srdl.records.studies import read_study, study_files
    from reid_srdl.report.say import show_json, show_pairs
    from reid_srdl.report.study import study_facts, study_summary

    if json:
        studies = {name: read_study(path) for name, path in study_files().items()}
        return show_json([{"name": name, **study_facts(one)} for name, one in studies.items()])
    show_pairs((name, study_summary(read_study(path))) for name, path in study_files().items())
