"""What ``reid-srdl eval`` evaluates, to the scores on the screen: a gallery, splits, classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from reid_srdl.config.marked import section
from reid_srdl.errors import FileError, UserError

if TYPE_CHECKING:
    from reid_srdl.evaluation import Scored
    from reid_srdl.group.processes import Group
    from reid_srdl.jobs.foreign_file import ForeignFile
    from reid_srdl.report.progress import Display
    from reid_srdl.report.tables import Table
    from reid_srdl.retrieval.features import Features


@dataclass(frozen=True)
class Asked:
    """What the command line asks for.

    Attributes:
        given: the keys of the configuration that were given.
        split: a number, or ``all``; None: the run's own.
        distractors: a folder of images that join the gallery.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        per_query, lists: files to write.
        k: length of the rank lists.
        json: print JSON alone.
    """

    given: dict[str, Any]
    split: str | None
    distractors: Path | None
    device: str
    per_query: Path | None
    lists: Path | None
    k: int
    json: bool

    @property
    def changes(self) -> dict[str, Any]:
        """The keys of the ``eval`` section, nested as there."""
        return section(self.given, "eval")

    @property
    def data(self) -> dict[str, Any]:
        """Which data set, and where it is."""
        return {"dataset": self.given.get("data.name"), "data_dir": self.given.get("data.dir")}

    @property
    def patterns(self) -> dict[str, str]:
        """What paths of people tell, by the keys that were given."""
        given = section(self.given, "data")
        return {key: given[key] for key in ("camera", "person") if key in given}

    def record(self) -> dict[str, Any]:
        """Returns the record's name and the folder above it, for features and distances.

        Raises:
            UserError: a folder without a name.
        """
        place = section(self.given, "run")
        if "dir" in place and "name" not in place:
            raise UserError("--runs: is where --name's folder stands", "give --name", usage=True)
        return {"name": place.get("name"), "runs": place.get("dir", Path("runs"))}

    def split_number(self) -> int | None:
        """Returns the number of the split.

        Raises:
            UserError: it is none.
        """
        if self.split is None:
            return None
        if not self.split.isdecimal():
            what = f"--split {self.split}: neither a number nor all"
            raise UserError(what, "count splits from 0", usage=True)
        return int(self.split)


@dataclass(frozen=True)
class FeaturesFile:
    """A file or folder of features."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class DistancesFile:
    """A file of distances, and of their labels; None: the same file."""

    path: Path
    labels: Path | None

    def __str__(self) -> str:
        return str(self.path)


Source = Union[Path, FeaturesFile, DistancesFile, "ForeignFile"]


def evaluate_gallery(source: Source, asked: Asked, group: Group) -> None:
    """Evaluates what has a gallery; process 0 writes and prints.

    Args:
        source: a run's folder, a file of features or distances, or a foreign network.
        asked: how.
        group: the processes that share the gallery.
    """
    from reid_srdl.records import tables
    from reid_srdl.report.evaluation import evaluation_table, evaluation_warnings
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import tell, tell_all
    from reid_srdl.report.verification import verification_tables

    if group.size > 1 and group.local_rank == 0:
        elsewhere = f"; the one on {group.writer} prints the results" if group.rank else ""
        tell(f"{group.size} processes share the gallery{elsewhere}")
    kept: Path | None
    refused: list[FileError] = []
    with Display(shown=group.rank == 0) as display:
        if isinstance(source, FeaturesFile):
            features, result, kept = _of_file(source.path, asked, display, group, refused)
        elif isinstance(source, DistancesFile):
            features, result, kept = _of_distances(source, asked, display, refused)
        elif isinstance(source, Path):
            features, result, kept = _of_run(source, asked, display, group, refused)
        else:
            features, result = _of_weights(source, asked, display, group)
            kept = None
    if group.rank == 0:
        rules = result.evaluation.protocol
        lists = result.lists(asked.k) if asked.lists else []  # before any printing
        tell_all("warning", evaluation_warnings(result, features.gallery.labels))
        evaluation = result.evaluation
        table = evaluation_table(evaluation, str(source))
        more = verification_tables(evaluation)
        _show(table, evaluation.model_dump(mode="json"), kept, asked, refused, *more)
        # Written last: what cannot be written loses no score.
        if asked.per_query is not None:
            tables.write_per_query(asked.per_query, result.single, result.multi, rules)
        if asked.lists is not None:
            tables.write_rank_lists(asked.lists, features, lists)
        tell_all("written", filter(None, (asked.per_query, asked.lists)))


def evaluate_sets(run: Path, sets: Sequence[str], asked: Asked) -> None:
    """Evaluates a run's network on each set of the joint one that it was trained on."""
    from reid_srdl.group.processes import Alone
    from reid_srdl.records.store import read_record
    from reid_srdl.report.joint import joint_table
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import present, say, tell_all

    found, paths = {}, []
    refused: list[FileError] = []
    with Display() as display:
        for name in sets:
            own = replace(asked, given={**asked.given, "data.name": name})
            _, scored, path = _of_run(run, own, display, Alone(), refused)
            found[name] = scored.evaluation
            paths.append(path)
    network = read_record(run).network
    table = joint_table([(name, network, one) for name, one in found.items()], str(run))
    tree = {name: one.model_dump(mode="json") for name, one in found.items()}
    present(table, tree, as_json=asked.json)
    tell_all("note", (f"{error.what}; nothing was recorded" for error in refused))
    for path in () if asked.json or refused else paths:
        say(f"record: {path}")


def evaluate_splits(run: Path, asked: Asked) -> None:
    """Evaluates a run's network on every split of a data set; prints means and deviations."""
    from reid_srdl.jobs.splits import evaluate_splits as evaluate
    from reid_srdl.report.evaluation import splits_table
    from reid_srdl.report.progress import Display

    refused: list[FileError] = []
    with Display() as display:
        scores, kept = evaluate(
            run,
            **asked.data,
            changes=asked.changes,
            device=asked.device,
            steps=display.steps,
            refused=refused.append,
        )
    title = f"{run} on {len(scores.splits)} splits of {scores.dataset}"
    table = splits_table(scores.mean, scores.spread, scores.splits[0].protocol, title)
    _show(table, scores.model_dump(mode="json"), kept, asked, refused)


def evaluate_classes(run: Path, asked: Asked) -> None:
    """Evaluates a classification run's networks on the test images."""
    from reid_srdl.jobs.evaluate import evaluate_classes as evaluate
    from reid_srdl.report.classes import class_table
    from reid_srdl.report.progress import Display

    refused: list[FileError] = []
    with Display() as display:
        scores, kept = evaluate(
            run,
            **asked.data,
            device=asked.device,
            steps=display.steps,
            refused=refused.append,
            **asked.changes,
        )
    tree = {name: score.model_dump(mode="json") for name, score in scores.items()}
    _show(class_table(scores, str(run)), tree, kept, asked, refused)


def _of_run(
    run: Path, asked: Asked, display: Display, group: Group, refused: list[FileError]
) -> tuple[Features, Scored, Path]:
    from reid_srdl.jobs.evaluate import evaluate_run

    return evaluate_run(
        run,
        **asked.data,
        split=asked.split_number(),
        distractors=asked.distractors,
        patterns=asked.patterns,
        changes=asked.changes,
        lists=asked.k if asked.lists else None,
        device=asked.device,
        steps=display.steps,
        progress=lambda done, total: display.steps("ranking", done, total),
        group=group,
        refused=refused.append,
    )


def _of_weights(
    file: ForeignFile, asked: Asked, display: Display, group: Group
) -> tuple[Features, Scored]:
    from reid_srdl.jobs.evaluate_weights import evaluate_weights

    return evaluate_weights(
        file,
        **asked.data,
        split=asked.split_number(),
        distractors=asked.distractors,
        patterns=asked.patterns,
        changes=asked.changes,
        lists=asked.k if asked.lists else None,
        device=asked.device,
        steps=display.steps,
        noted=display.noted,
        progress=lambda done, total: display.steps("ranking", done, total),
        group=group,
    )


def _of_file(
    file: Path, asked: Asked, display: Display, group: Group, refused: list[FileError]
) -> tuple[Features, Scored, Path | None]:
    from reid_srdl.config import EvalConfig, changed
    from reid_srdl.jobs.evaluate_features import evaluate_features

    return evaluate_features(
        file,
        changed(EvalConfig(), asked.changes, "eval"),
        **asked.record(),
        lists=asked.k if asked.lists else None,
        device=asked.device,
        progress=lambda done, total: display.steps("ranking", done, total),
        group=group,
        refused=refused.append,
    )


def _of_distances(
    file: DistancesFile, asked: Asked, display: Display, refused: list[FileError]
) -> tuple[Features, Scored, Path | None]:
    from reid_srdl.config import EvalConfig, changed
    from reid_srdl.jobs.evaluate_distances import evaluate_distances

    return evaluate_distances(
        file.path,
        file.labels,
        changed(EvalConfig(), asked.changes, "eval"),
        **asked.record(),
        lists=asked.k if asked.lists else None,
        progress=lambda done, total: display.steps("ranking", done, total),
        refused=refused.append,
    )


def _show(
    table: Table,
    tree: Any,
    kept: Path | None,
    asked: Asked,
    refused: list[FileError],
    *more: Table,
) -> None:
    """Prints tables and where the record stands, or JSON alone; what was refused is a note."""
    from reid_srdl.report.say import present, say, show, tell_all

    present(table, tree, as_json=asked.json)
    show(*(() if asked.json else more))
    tell_all("note", (f"{error.what}; nothing was recorded" for error in refused))
    if kept is not None and not asked.json and not refused:
        say(f"record: {kept}")
