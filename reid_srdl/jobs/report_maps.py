"""Where the networks of a report look: maps of some queries' images, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.jobs.pictures import Files, Listings
from reid_srdl.jobs.report_runs import Progress, files_of_run
from reid_srdl.records.rank_choice import Choice, chosen, first_of
from reid_srdl.records.run import RunRecord
from reid_srdl.report.html.looks import Look, looks_section
from reid_srdl.report.html.page import Section
from reid_srdl.report.html.runs import Entry, ReportRun
from reid_srdl.retrieval.kept import MATCH, OTHER, KeptRanks

_RUNS = 6  # beside each other
_ACTIVATION = "mean absolute activation"
_AIMS = {  # what a query is compared with: how rows and pictures call it
    MATCH: ("Grad-CAM, likeness to its nearest match", "match"),
    OTHER: ("Grad-CAM, likeness to the wrong person found first", "wrong"),
}


@dataclass(frozen=True)
class _Query:
    """A query that is looked at.

    Attributes:
        title: the query, in words.
        image: its file.
        aims: for each question the image that it is about, and what is told of that.
    """

    title: str
    image: Path
    aims: dict[str, tuple[Path, str]] = field(default_factory=dict)


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
        by_dataset.setdefault(entry.dataset, []).extend(own[:1])
    looks: list[Look] = []
    notes: list[str] = []
    for dataset, runs in by_dataset.items():
        queries, told = _queries(dataset, runs, count, known)
        notes += told
        for number, run in enumerate(runs[:_RUNS] if queries else (), 1):
            steps("maps of networks", number, min(len(runs), _RUNS))
            try:
                looks += _looks(run, queries)
            except UserError as error:
                notes.append(f"{run.folder}: no maps: {error.what}")
        if queries and len(runs) > _RUNS:
            notes.append(f"{dataset}: maps of the first {_RUNS} of {len(runs):,} rows")
    return looks_section(looks), notes


def _queries(
    dataset: str, runs: Sequence[ReportRun], count: int, known: Listings
) -> tuple[list[_Query], list[str]]:
    """Returns the worst queries of the first run that knows where their images are."""
    for run in runs:
        kept = run.ranks(dataset)
        if kept is None:
            continue
        files = files_of_run(run, dataset, kept, known)
        if files.query is None:
            return [], [files.note]
        gone: list[str] = []
        worst = [
            found
            for one in chosen(kept, Choice(count=count))
            if (found := _query(run, dataset, kept, one, files, gone))
        ]
        return worst, gone
    return [], [f"{dataset}: no maps: none of its runs has kept ranks of queries"]


def _query(
    run: ReportRun, dataset: str, kept: KeptRanks, query: int, files: Files, gone: list[str]
) -> _Query | None:
    """Returns a query with what it is compared with; adds a line for each image that is gone."""
    image = (files.query or {}).get(int(kept.queries.positions[query]))
    if image is None or not image.is_file():
        gone += [] if image is None else [f"{image}: the image is gone; it has no map"]
        return None
    aims = {}
    for kind, (question, name) in _AIMS.items():
        if (found := first_of(kept, query, kind)) is None:
            continue
        place, rank = found
        path = (files.gallery or {}).get(int(kept.images.positions[place]))
        if path is None or not path.is_file():
            gone += [] if path is None else [f"{path}: the image is gone; no map aims at it"]
            continue
        aims[question] = path, f"{name}, {f'rank {rank:,}' if rank else 'not retrieved'}"
    return _Query(f"{dataset}, {image.name}, ranked by {run.record.name}", image, aims)


def _looks(run: ReportRun, queries: Sequence[_Query]) -> Iterator[Look]:
    """Yields a network's answers: all queries' activations, then question by question."""
    from reid_srdl.jobs.analyse.activation import Gaze

    gaze = Gaze.of(run.folder)
    pixels = gaze.pixels([one.image for one in queries])
    for one, image, seen in zip(queries, pixels, gaze.mean(pixels), strict=True):
        yield Look(one.title, _ACTIVATION, run.record.name, image, "query", image, seen)
    for question, _ in _AIMS.values():
        which = [number for number, one in enumerate(queries) if question in one.aims]
        if not which:
            continue
        others = gaze.pixels([queries[number].aims[question][0] for number in which])
        maps = gaze.towards_likeness(pixels[which], others)
        for number, other, seen in zip(which, others, maps, strict=True):
            one = queries[number]
            told = one.aims[question][1]
            yield Look(one.title, question, run.record.name, other, told, pixels[number], seen)
