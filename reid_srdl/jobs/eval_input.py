"""What ``reid-srdl eval`` takes, and which of its options say nothing about each kind of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reid_srdl.errors import UserError
from reid_srdl.jobs.eval_options import EvalLine

if TYPE_CHECKING:
    from reid_srdl.group.processes import Group


@dataclass(frozen=True)
class Silent:
    """Options that say nothing about something.

    Attributes:
        what: about what.
        options: their names.
        instead: what would help; ``{sets}`` stands for the names of the sets.
        because: of some of them, what the hint says first.
    """

    what: str
    options: Collection[str]
    instead: str
    because: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class InputKind:
    """A kind of what ``eval`` takes.

    Attributes:
        silent: the options that say nothing about it.
        alone: its name where it has no gallery that several processes could share.
    """

    silent: tuple[Silent, ...] = ()
    alone: str | None = None


_RECORD = {"--name", "--runs"}
_WEIGHTS = {"--model", "--height", "--width", "--told", "--normalisation", "--channels"}
_WEIGHTS |= {"--classes"}
_CLASSES = {"--data-dir", "--flip", "--batch-size", "--device"}
_PEOPLE = {"--camera", "--person"}
_IMAGES = {"--dataset", "--data-dir", "--split", "--distractors", "--flip", "--batch-size"}
_IMAGES |= _PEOPLE | _WEIGHTS
_FEATURES = {"--distance", "--normalize", "--pooling", "--engine", "--device", "--index"}
_FEATURES |= {"--retrieved", "--rerank", "--rerank-k1", "--rerank-k2", "--rerank-lambda"}
_FEATURES |= {"--expand", "--expand-n", "--expand-alpha"}
_GALLERY = {"--per-query", "--top-k", "--rank-lists", "--distractors", "--verification", "--fpr"}
_GALLERY |= _PEOPLE | {"--pictures"}
_ALL = set(EvalLine.options("eval").values())
_SCORES = "classification has top-1, top-5 and cross-entropy"

KINDS = {
    "features": InputKind((Silent("a file of features", _IMAGES, "evaluate a run"),)),
    "distances": InputKind(
        (
            Silent("a matrix of distances", _IMAGES, "evaluate a run"),
            Silent(
                "a matrix of distances",
                _FEATURES,
                "evaluate features",
                {"--rerank": "re-ranking needs the queries' distances to each other, too; "},
            ),
        ),
        alone="a matrix of distances",
    ),
    "weights": InputKind(
        (
            Silent("a file of weights", _RECORD, "reid-srdl import leaves a record"),
            Silent("a file of weights", {"--pictures"}, "import it, and evaluate the run"),
            Silent("a file of features", {"--classes"}, "or evaluate it on a data set of classes"),
        )
    ),
    "weights of classes": InputKind(
        (
            Silent("a file of weights", _RECORD, "reid-srdl import leaves a record"),
            Silent(
                "a classifier",
                _ALL - _CLASSES - _WEIGHTS - _RECORD - {"--dataset", "--weights"},
                _SCORES,
            ),
        ),
        alone="a classifier",
    ),
    "run": InputKind(
        (
            Silent("a run, which has its own record", _RECORD, "evaluate features"),
            Silent("a run, which knows it", _WEIGHTS, "evaluate a file: --weights FILE"),
        )
    ),
    # What else a run may be: these options say nothing about it, besides those of any run.
    "splits": InputKind(
        (Silent("all splits together", _GALLERY, "choose one split"),), "--split all"
    ),
    "sets": InputKind(
        (Silent("all sets together", _GALLERY | {"--data-dir", "--split"}, "or --dataset {sets}"),),
        alone="a joint set",
    ),
    "classes": InputKind(
        (Silent("a classification run", _ALL - _CLASSES, _SCORES),), "a classification run"
    ),
    "imported classes": InputKind(
        (Silent("a classification run", _ALL - _CLASSES - {"--dataset"}, _SCORES),),
        alone="a classification run",
    ),
}


@dataclass(frozen=True)
class Input:
    """What is evaluated.

    Attributes:
        kind: of `KINDS`.
        path: a run's folder, or a file.
        sets: of a run on joint sets, their names.
    """

    kind: str
    path: Path
    sets: tuple[str, ...] = ()


def input_of(run: Path | None, asked: EvalLine, group: Group) -> Input:
    """Returns what is to be evaluated, once all that was asked for fits it.

    Args:
        run: a run's folder; None: one of the files.
        asked: the options.
        group: the processes that would share a gallery.

    Raises:
        UserError: nothing, or several things; options that say nothing about it; a result that
            could not be written.
    """
    files = {"features": asked.features, "distances": asked.distances, "weights": asked.weights}
    named = {kind: path for kind, path in files.items() if path is not None}
    if len(named) + (run is not None) != 1:
        what = ", ".join(f"--{kind} FILE" for kind in files)
        raise UserError(
            f"eval takes one of: a run's folder, {what}", "see: reid-srdl eval --help", usage=True
        )
    if asked.labels is not None and asked.distances is None:
        raise UserError("--labels: are of --distances", "give --distances FILE", usage=True)
    _check_outputs(asked)
    if run is None:
        ((kind, path),) = named.items()
        source = Input(_of_weights(asked) if kind == "weights" else kind, path)
    else:
        _check(KINDS["run"], asked, group)
        source = _run(run, asked)
    _check(KINDS[source.kind], asked, group, source.sets)
    return source


def _check(kind: InputKind, asked: EvalLine, group: Group, sets: Sequence[str] = ()) -> None:
    """Refuses options that say nothing, and processes that could share nothing."""
    for silent in kind.silent:
        if given := sorted(asked.named("eval") & set(silent.options)):
            because = "".join(silent.because.get(flag, "") for flag in given)
            them = "them" if len(given) > 1 else "it"
            hint = f"leave {them} out: {because}{silent.instead.format(sets=' or '.join(sets))}"
            what = f"{', '.join(given)}: says nothing about {silent.what}"
            raise UserError(what, hint, usage=True)
    if kind.alone and group.size > 1:
        raise UserError(
            f"{kind.alone}: there is no gallery that {group.size} processes could share",
            "evaluate it in one process",
            usage=True,
        )


def _check_outputs(asked: EvalLine) -> None:
    from reid_srdl.jobs.picture_wish import wish_of
    from reid_srdl.places import check_output
    from reid_srdl.records import tables

    files = [file for file in (asked.per_query, asked.lists) if file is not None]
    if len({file.resolve() for file in files}) < len(files):
        what = f"--rank-lists {files[0]}: what --per-query writes would be lost"
        raise UserError(what, "name two files", usage=True)
    for file in files:
        tables.check_suffix(file)
        check_output(file, "the results")
    wish_of(asked)


def _of_weights(asked: EvalLine) -> str:
    """Returns the kind of a file of weights: its data set tells the task."""
    from reid_srdl.data import find_entry

    name = asked.given.get("data.name")
    known = name is not None and find_entry(name).task == "classification"
    return "weights of classes" if known else "weights"


def _run(run: Path, asked: EvalLine) -> Input:
    """Returns what kind of run it is; of an imported one, ``--dataset`` tells the task."""
    from reid_srdl.config import sets_of
    from reid_srdl.data import UNKNOWN, find_entry
    from reid_srdl.methods import KNOWN
    from reid_srdl.records.folder import RunFolder

    own = RunFolder(run).read_config(KNOWN).data
    imported = own.name == UNKNOWN
    name = asked.given.get("data.name", UNKNOWN) if imported else own.name
    if find_entry(name).task == "classification":
        return Input("imported classes" if imported else "classes", run)
    sets = tuple(name for name, _ in sets_of(own))
    if len(sets) > 1 and "data.name" not in asked.given:
        return Input("sets", run, sets=sets)
    return Input("splits" if asked.split == "all" else "run", run)
