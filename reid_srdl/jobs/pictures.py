"""Rank lists of an evaluation with the images that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reid_srdl.config import DataConfig
from reid_srdl.data import Patterns
from reid_srdl.data.reid.crops import Crops, ReidData
from reid_srdl.data.reid.distractors import with_distractors
from reid_srdl.errors import UserError
from reid_srdl.jobs.people import data_to_test
from reid_srdl.jobs.picture_wish import Wish
from reid_srdl.methods import KNOWN
from reid_srdl.records.evaluated import EvaluationData
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.later import read_later
from reid_srdl.records.rank_choice import Choice, average_precisions, chosen
from reid_srdl.report.pictures import write_pictures
from reid_srdl.report.rank_lists import Paths, Shown, gone, shown_list
from reid_srdl.retrieval.kept import Images, KeptRanks

Listings = dict[str, ReidData]  # of data sets, by what tells them apart


@dataclass(frozen=True)
class Files:
    """The image files of queries and gallery; None where they are not there.

    Attributes:
        query, gallery: by their positions in the data set as it was evaluated.
        note: why there are none.
    """

    query: Paths = None
    gallery: Paths = None
    note: str = ""


def files_of(
    run: Path,
    kept: KeptRanks,
    data: EvaluationData,
    patterns: Mapping[str, str] | None = None,
    known: Listings | None = None,
) -> Files:
    """Finds the images that an evaluation of a run was of.

    Args:
        run: its folder.
        kept: its ranks, which the images must fit.
        data: what it was judged on, and where that stood.
        patterns: what paths tell, where not the run's own.
        known: data that other runs have listed; this run's are added.
    """
    folder = RunFolder(run)
    known = {} if known is None else known
    try:
        config = folder.read_config(KNOWN)
        key = _key(folder, config.data, data)
        found = known[key] if key in known else _listed(folder, config.data, data, patterns)
        known[key] = found
    except UserError as error:
        return Files(note=f"{run}: no images: {error.what}")
    return Files(_paths(found.query, kept.queries), _paths(found.gallery, kept.images))


def draw_lists(
    wish: Wish,
    kept: KeptRanks,
    run: Path | None = None,
    record: Path | None = None,
    patterns: Mapping[str, str] | None = None,
) -> tuple[list[Path], list[str]]:
    """Draws rank lists and returns the files, and notes of what could not be drawn.

    Args:
        wish: whose lists, and where to.
        kept: the ranking's top.
        run, record: a run's folder and the file of this evaluation in it; None: only names are
            known.
        patterns: what paths tell, where not the run's own.

    Raises:
        UserError: a name that no query has.
        FileError: the operating system refuses.
    """
    files = Files()
    if run is not None and record is not None and record.is_file():
        data = read_later(record).evaluations[0].data
        files = files_of(run, kept, data, patterns)
    lists, notes = shown_lists(kept, wish.choice, files)
    return write_pictures(wish.folder, lists), notes


def shown_lists(kept: KeptRanks, choice: Choice, files: Files) -> tuple[list[Shown], list[str]]:
    """Returns the chosen queries' lists, and a line for each image that is gone.

    Raises:
        UserError: a name that no query has.
    """
    precision = average_precisions(kept)
    lists = [
        shown_list(kept, query, float(precision[query]), files.query, files.gallery)
        for query in chosen(kept, choice)
    ]
    return lists, [*([files.note] if files.note else []), *gone(lists)]


def _key(folder: RunFolder, trained: DataConfig, data: EvaluationData) -> str:
    """Returns what tells apart the data that runs are judged on."""
    where = data.model_dump_json(include={"name", "split", "folder", "distractors_folder"})
    own = str(folder.path) if folder.split.exists() else ""
    return f"{trained.model_dump_json()} {where} {own}"


def _listed(
    folder: RunFolder, trained: DataConfig, data: EvaluationData, given: Mapping[str, str] | None
) -> ReidData:
    own = Patterns(trained.camera, trained.person)
    patterns = Patterns(**{"camera": own.camera, "person": own.person, **(given or {})})
    place = None if data.folder is None else Path(data.folder)
    if place is not None and not place.is_absolute():
        place = None  # the name of a set of one's own; the run knows where it stands
    found = data_to_test(folder, trained, data.name, place, data.split or 0, patterns)
    if data.distractors_folder is not None:
        found = with_distractors(found, Path(data.distractors_folder))
    return found


def _paths(part: Crops, images: Images) -> dict[int, Path]:
    """Returns the files of images; where some are gone since, by name, each where it would be."""
    positions = images.positions.tolist()
    last = max(positions, default=0)
    if last < len(part) and (part.pids[images.positions] == images.pids).all():
        return {position: part.paths[position] for position in positions}
    known = {path.name: path for path in part.paths}
    place = part.paths[0].parent
    named = zip(positions, images.names.tolist(), strict=True)
    return {position: known.get(name, place / name) for position, name in named if name}
