"""Evaluates what ``reid-srdl eval`` was given, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_srdl.config import EvalConfig, changed
from reid_srdl.config.marked import section
from reid_srdl.errors import FileError, UserError
from reid_srdl.group.processes import Group
from reid_srdl.jobs.eval_input import Input
from reid_srdl.jobs.eval_options import EvalLine
from reid_srdl.jobs.picture_wish import wish_of
from reid_srdl.records import tables
from reid_srdl.records.digests import labels_digest
from reid_srdl.report.evaluation import evaluation_table, evaluation_warnings, splits_table
from reid_srdl.report.evaluation_end import EvaluationEnd
from reid_srdl.report.progress import Display
from reid_srdl.report.verification import verification_tables

if TYPE_CHECKING:
    from reid_srdl.analysis.class_scores import ClassScores
    from reid_srdl.evaluation import Scored
    from reid_srdl.jobs.foreign_file import ForeignFile
    from reid_srdl.retrieval.features import Features


def evaluated(source: Input, asked: EvalLine, group: Group) -> EvaluationEnd | None:
    """Evaluates a source; every process of a group calls this.

    Returns:
        What was found; None in every process but the first.

    Raises:
        UserError: what the jobs for the kinds of source raise.
    """
    with Display(shown=group.rank == 0) as display:
        return _Evaluation(source, asked, group, display).judged()


class _Evaluation:
    def __init__(self, source: Input, asked: EvalLine, group: Group, display: Display) -> None:
        self._source, self._asked, self._group = source, asked, group
        self._refused: list[FileError] = []
        self._place: dict[str, Any] = {
            "device": asked.device,
            "steps": display.steps,
            "noted": display.noted,
        }
        self._ranking: dict[str, Any] = {
            "lists": asked.length,
            "progress": lambda done, total: display.steps("ranking", done, total),
        }

    def judged(self) -> EvaluationEnd | None:
        """Evaluates it."""
        match self._source.kind:
            case "splits":
                return self._splits()
            case "sets":
                return self._sets()
            case "classes" | "imported classes":
                return self._classes()
            case "weights of classes":
                return self._weights_of_classes()
        return self._gallery()

    def _gallery(self) -> EvaluationEnd | None:
        asked, path = self._asked, self._source.path
        features, result, kept = self._scored()
        if self._group.rank:
            return None
        files = {}
        if asked.per_query is not None:
            write = partial(tables.write_per_query, single=result.single, multi=result.multi)
            sides = features.query, features.gallery, features.boxes
            told = {"labels": labels_digest(sides), "content": result.content}
            files[asked.per_query] = partial(write, protocol=result.evaluation.protocol, **told)
        if asked.lists is not None:
            lists = result.lists(asked.k)
            files[asked.lists] = partial(tables.write_rank_lists, features=features, lists=lists)
        pictures = None
        if (wish := wish_of(asked)) is not None and result.kept is not None:
            from reid_srdl.jobs.pictures import draw_lists

            run = path if self._source.kind == "run" else None
            pictures = partial(draw_lists, wish, result.kept, run, kept, self._patterns())
        warnings = [*features.notes, *evaluation_warnings(result, features.gallery.labels)]
        if result.multi is None and "eval.pooling" in asked.given:
            warnings = [*warnings, "--pooling: there are no boxes to pool, so it changes nothing"]
        return EvaluationEnd(
            evaluation_table(result.evaluation, str(path)),
            result.evaluation.model_dump(mode="json"),
            [] if kept is None else [kept],
            verification_tables(result.evaluation),
            warnings,
            files,
            self._refused,
            pictures,
        )

    def _scored(self) -> tuple[Features, Scored, Path | None]:
        asked, path = self._asked, self._source.path
        shared: dict[str, Any] = {"device": asked.device, "group": self._group}
        match self._source.kind:
            case "features":
                from reid_srdl.jobs.evaluate_features import evaluate_features

                told = {**self._recorded(), **self._ranking, **shared}
                return evaluate_features(path, **told)
            case "distances":
                from reid_srdl.jobs.evaluate_distances import evaluate_distances

                told = {**self._recorded(), **self._ranking}
                return evaluate_distances(path, asked.labels, **told)
            case "weights":
                from reid_srdl.jobs.evaluate_weights import evaluate_weights

                return *evaluate_weights(self._foreign(), **self._images()), None
        return self._of_run()

    def _of_run(self, **data: str) -> tuple[Features, Scored, Path]:
        from reid_srdl.jobs.evaluate import evaluate_run

        told = {**self._images(), **data, "refused": self._refused.append}
        return evaluate_run(self._source.path, **told)

    def _sets(self) -> EvaluationEnd:
        from reid_srdl.records.store import read_record
        from reid_srdl.report.joint import joint_table

        found = {name: self._of_run(dataset=name) for name in self._source.sets}
        scores = {name: result.evaluation for name, (_, result, _) in found.items()}
        network = read_record(self._source.path).network
        rows = [(name, network, one) for name, one in scores.items()]
        return EvaluationEnd(
            joint_table(rows, str(self._source.path)),
            {name: one.model_dump(mode="json") for name, one in scores.items()},
            [kept for *_, kept in found.values()],
            refused=self._refused,
        )

    def _splits(self) -> EvaluationEnd:
        from reid_srdl.jobs.splits import evaluate_splits

        told = {**self._data(), "changes": self._asked.changes, **self._place}
        scores, kept = evaluate_splits(self._source.path, **told, refused=self._refused.append)
        title = f"{self._source.path} on {len(scores.splits)} splits of {scores.dataset}"
        table = splits_table(scores.mean, scores.spread, scores.splits[0].protocol, title)
        return EvaluationEnd(table, scores.model_dump(mode="json"), [kept], refused=self._refused)

    def _classes(self) -> EvaluationEnd:
        from reid_srdl.jobs.evaluate import evaluate_classes

        told = {**self._data(), **self._place, **self._asked.changes}
        scores, kept = evaluate_classes(self._source.path, **told, refused=self._refused.append)
        return self._shown(scores, [kept])

    def _weights_of_classes(self) -> EvaluationEnd:
        from reid_srdl.jobs.evaluate_weights import evaluate_weights_of_classes

        told = {**self._data(), **self._place, "changes": self._asked.changes}
        return self._shown(evaluate_weights_of_classes(self._foreign(), **told), [])

    def _shown(self, scores: Mapping[str, ClassScores], kept: list[Path]) -> EvaluationEnd:
        from reid_srdl.report.classes import class_table

        tree = {name: score.model_dump(mode="json") for name, score in scores.items()}
        table = class_table(scores, str(self._source.path))
        return EvaluationEnd(table, tree, kept, refused=self._refused)

    def _data(self) -> dict[str, Any]:
        given = self._asked.given
        return {"dataset": given.get("data.name"), "data_dir": given.get("data.dir")}

    def _images(self) -> dict[str, Any]:
        """What jobs that compute features take besides the source."""
        asked = self._asked
        return {
            **self._data(),
            **self._place,
            **self._ranking,
            "split": asked.split_number,
            "distractors": asked.distractors,
            "patterns": self._patterns(),
            "changes": asked.changes,
            "group": self._group,
        }

    def _patterns(self) -> dict[str, Any]:
        given = section(self._asked.given, "data")
        return {key: given[key] for key in ("camera", "person") if key in given}

    def _recorded(self) -> dict[str, Any]:
        """What jobs that evaluate what other software made take: settings, and the record's place.

        Raises:
            UserError: a folder without a name.
        """
        place = section(self._asked.given, "run")
        if "dir" in place and "name" not in place:
            raise UserError("--runs: is where --name's folder stands", "give --name", usage=True)
        return {
            "settings": changed(EvalConfig(), self._asked.changes, "eval"),
            "name": place.get("name"),
            "runs": place.get("dir", Path("runs")),
            "refused": self._refused.append,
            "keep": self._asked.pictures is not None,
        }

    def _foreign(self) -> ForeignFile:
        """Returns the foreign network and what the command line says of it."""
        from reid_srdl.jobs.foreign_file import ForeignFile, told_of

        given, asked = self._asked.given, self._asked
        if "model.name" not in given:
            raise UserError("--weights: of which network?", "give --model NAME", usage=True)
        size = given.get("data.height"), given.get("data.width")
        words = {"normalisation": asked.normalisation, "channels": asked.channels}
        told = told_of(asked.told or (), words)
        return ForeignFile(self._source.path, given["model.name"], *size, asked.classes, told)
