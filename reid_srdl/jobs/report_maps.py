"""Where the networks of a report look: maps of some queries' images, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.jobs.pictures import Listings, files_of
from reid_srdl.jobs.report_runs import Progress
from reid_srdl.records.rank_choice import Choice, chosen
from reid_srdl.records.run import RunRecord
from reid_srdl.report.html.looks import Looked, looks_section
from reid_srdl.report.html.page import Section
from reid_srdl.report.html.runs import Entry, ReportRun

_RUNS = 6  # beside each other


def maps_section(
    found: Sequence[Entry], count: int, steps: Progress, known: Listings
) -> tuple[Section | None, list[str]]:
    """Returns maps of the worst queries of each data set, by the first run of each of its rows.

    Args:
        found: the leaderboard's rows.
        count: how many queries of each data set; 0: no section.
        steps: is told how many networks have been asked.
        known: data that have been listed.

    Returns:
        None where there is none; and a line for each network that could not be asked, for each
        image that is gone, and for each data set without queries.
    """
    by_dataset: dict[str, list[ReportRun]] = {}
    for entry in found if count else ():
        own = [run for run in entry.runs if isinstance(run.record, RunRecord)]
        by_dataset.setdefault(entry.row.dataset.name, []).extend(own[:1])
    looked, notes = [], []
    for dataset, runs in by_dataset.items():
        images, told = _images(dataset, runs, count, known)
        notes += told
        for number, run in enumerate(runs[:_RUNS] if images else (), 1):
            steps("maps of networks", number, min(len(runs), _RUNS))
            try:
                looked.append(_looked(dataset, run, images))
            except UserError as error:
                notes.append(f"{run.folder}: no maps: {error.what}")
        if images and len(runs) > _RUNS:
            notes.append(f"{dataset}: maps of the first {_RUNS} of {len(runs):,} rows")
    return looks_section(looked), notes


def _images(
    dataset: str, runs: Sequence[ReportRun], count: int, known: Listings
) -> tuple[dict[str, Path], list[str]]:
    """Returns the images of the worst queries of the first run that knows where they are."""
    for run in runs:
        kept = run.ranks()
        if kept is None or not isinstance(run.record, RunRecord):
            continue
        data = run.record.evaluations[0].data
        found = files_of(run.folder, kept, data, known=known)
        if found.query is None:
            return {}, [found.note]
        files = found.query
        worst = [int(kept.queries.positions[one]) for one in chosen(kept, Choice(count=count))]
        paths = [files[one] for one in worst if one in files]
        gone = [f"{path}: the image is gone; it has no map" for path in paths if not path.is_file()]
        return {path.name: path for path in paths if path.is_file()}, gone
    return {}, [f"{dataset}: no maps: none of its runs has kept ranks of queries"]


def _looked(dataset: str, run: ReportRun, images: Mapping[str, Path]) -> Looked:
    from reid_srdl.jobs.analyse.activation import activation

    (found,) = activation([run.folder], list(images.values()))
    return Looked(dataset, run.record.name, tuple(images), found.images, found.maps)
