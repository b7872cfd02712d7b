"""``reid-srdl eval``: scores of a run's network, or of what other software made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_srdl.cli import options
from reid_srdl.cli.eval_kinds import (
    Asked,
    DistancesFile,
    FeaturesFile,
    evaluate_classes,
    evaluate_gallery,
    evaluate_sets,
    evaluate_splits,
)
from reid_srdl.cli.generated import with_options
from reid_srdl.config.marked import flags
from reid_srdl.errors import UserError

if TYPE_CHECKING:
    from reid_srdl.group.processes import Group
    from reid_srdl.jobs.foreign_file import ForeignFile

EXAMPLE = (
    "Examples:  reid-srdl eval runs/NAME --dataset market1501 --data-dir DIR   |   "
    "reid-srdl eval --features features.npz --json"
)

# What says something about a classification run, nothing about features, nothing about all splits.
_OF_CLASSES = {"--data-dir", "--flip", "--batch-size"}
_PEOPLE = {"--camera", "--person"}
_OF_WEIGHTS = {"--model", "--height", "--width", "--told", "--normalisation", "--channels"}
_OF_IMAGES = {"--dataset", "--split", "--distractors", *_PEOPLE, *_OF_CLASSES, *_OF_WEIGHTS}
_OF_FEATURES = {"--name", "--runs"}
_NEED_FEATURES = {"--distance", "--normalize", "--pooling", "--engine", "--device"}
_NEED_FEATURES |= {"--index", "--retrieved", "--rerank", "--rerank-k1", "--rerank-k2"}
_NEED_FEATURES |= {"--rerank-lambda", "--expand", "--expand-n", "--expand-alpha"}
_NOT_OF_SPLITS = {*_PEOPLE, "--per-query", "--top-k", "--rank-lists", "--distractors"}
_NOT_OF_SPLITS |= {"--verification", "--fpr"}
_NOT_OF_SETS = {*_NOT_OF_SPLITS, "--data-dir", "--split"}


@with_options("eval", default="the run's own, or {default}")
def evaluate(
    given: dict[str, Any],
    run: options.Run = None,
    features: options.FeaturesFile = None,
    distances: options.DistancesFile = None,
    labels: options.LabelsFile = None,
    weights: options.Weights = None,
    told: options.Told = None,
    normalisation: options.Normalisation = None,
    channels: options.Channels = None,
    split: options.Split = None,
    distractors: options.Distractors = None,
    device: options.EvalDevice = "auto",
    per_query: options.PerQuery = None,
    top_k: options.TopK = None,
    rank_lists: options.RankLists = None,
    json: options.Json = False,
) -> None:
    """Evaluate a run's network, features, distances or weights: CMC, mAP, mINP, multi-query too.

    Several processes share the gallery, each metric the same to the bit:
    torchrun --nproc-per-node N -m reid_srdl eval ...

    On M machines that see the same files, on each of them:
    torchrun --nnodes M --nproc-per-node N --rdzv-backend c10d --rdzv-endpoint HOST:PORT
    -m reid_srdl eval ...

    OMP_NUM_THREADS sets the threads of each process; torchrun takes 1 where it is not set.
    """
    lists = rank_lists or (options.RANK_LISTS if top_k else None)
    own: dict[str, Any] = {"--split": split, "--distractors": distractors, "--told": told or None}
    own |= {"--normalisation": normalisation, "--channels": channels}
    own |= {"--per-query": per_query, "--top-k": top_k, "--rank-lists": rank_lists}
    own |= {"--device": None if device == "auto" else device}
    named = {flags("eval")[key] for key in given} | {flag for flag in own if own[flag] is not None}
    asked = Asked(given, split, distractors, device, per_query, lists, top_k or 10, json)
    from reid_srdl.group.processes import joined

    with joined() as group:
        sources = {"--features": features, "--distances": distances, "--weights": weights}
        _check(run, sources, labels, [file for file in (per_query, lists) if file])
        if features is not None:
            _refuse(named & _OF_IMAGES, "a file of features", "evaluate a run")
            evaluate_gallery(FeaturesFile(features), asked, group)
        elif distances is not None:
            _refuse(named & _OF_IMAGES, "a matrix of distances", "evaluate a run")
            needed = "re-ranking needs the queries' distances to each other, too; "
            instead = f"{needed if '--rerank' in named else ''}evaluate features"
            _refuse(named & _NEED_FEATURES, "a matrix of distances", instead)
            _refuse_sharing(group, "a matrix of distances")
            evaluate_gallery(DistancesFile(distances, labels), asked, group)
        elif weights is not None:
            _refuse(named & _OF_FEATURES, "a file of weights", "reid-srdl import leaves a record")
            words = {"normalisation": normalisation, "channels": channels}
            evaluate_gallery(_foreign(weights, given, told or [], words), asked, group)
        elif run is not None:
            _refuse(named & _OF_FEATURES, "a run, which has its own record", "evaluate features")
            _refuse(named & _OF_WEIGHTS, "a run, which knows it", "evaluate a file: --weights FILE")
            _evaluate_run(run, named, asked, group)


def _evaluate_run(run: Path, named: set[str], asked: Asked, group: Group) -> None:
    task, told_here = _task_of(run, asked.given)
    if task == "classification":
        _refuse_sharing(group, "a classification run")
        scores = "classification has top-1, top-5 and cross-entropy"
        known = {*_OF_CLASSES, "--device"} | told_here
        _refuse(named - known, "a classification run", scores)
        evaluate_classes(run, asked)
    elif (sets := _own_sets(run)) and "--dataset" not in named:
        _refuse_sharing(group, "a joint set")
        _refuse(named & _NOT_OF_SETS, "all sets together", f"or --dataset {' or '.join(sets)}")
        evaluate_sets(run, sets, asked)
    elif asked.split == "all":
        _refuse_sharing(group, "--split all")
        _refuse(named & _NOT_OF_SPLITS, "all splits together", "choose one split")
        evaluate_splits(run, asked)
    else:
        evaluate_gallery(run, asked, group)


def _foreign(
    file: Path, given: dict[str, Any], told: list[str], words: dict[str, str | None]
) -> ForeignFile:
    """Returns a foreign network and what the command line says of it."""
    from reid_srdl.jobs.foreign_file import ForeignFile, told_of

    if "model.name" not in given:
        raise UserError("--weights: of which network?", "give --model NAME", usage=True)
    size = given.get("data.height"), given.get("data.width")
    return ForeignFile(file, given["model.name"], *size, told=told_of(told, words))


def _check(
    run: Path | None,
    sources: Mapping[str, Path | None],
    labels: Path | None,
    outputs: list[Path],
) -> None:
    """Checks that there is one thing to evaluate, and that results can be written."""
    if sum(source is not None for source in (run, *sources.values())) != 1:
        files = ", ".join(f"{flag} FILE" for flag in sources)
        raise UserError(
            f"eval takes one of: a run's folder, {files}", "see: reid-srdl eval --help", usage=True
        )
    if labels is not None and sources["--distances"] is None:
        raise UserError("--labels: are of --distances", "give --distances FILE", usage=True)
    from reid_srdl.places import check_output
    from reid_srdl.records import tables

    for file in outputs:
        tables.check_suffix(file)
        check_output(file, "the results")


def _task_of(run: Path, given: dict[str, Any]) -> tuple[str, set[str]]:
    """Returns the task of a run, and which options told it: an imported one has no data set.

    Raises:
        UserError: nothing tells it.
    """
    from reid_srdl.data import UNKNOWN, find_entry
    from reid_srdl.methods import KNOWN
    from reid_srdl.records.folder import RunFolder

    own = RunFolder(run).read_config(KNOWN).data.name
    if own != UNKNOWN:
        return find_entry(own).task, set()
    return find_entry(given.get("data.name", UNKNOWN)).task, {"--dataset"}


def _own_sets(run: Path) -> list[str]:
    """Returns the sets of the joint one that a run was trained on; of another run nothing."""
    from reid_srdl.config import sets_of
    from reid_srdl.methods import KNOWN
    from reid_srdl.records.folder import RunFolder

    names = [name for name, _ in sets_of(RunFolder(run).read_config(KNOWN).data)]
    return names if len(names) > 1 else []


def _refuse(given: Collection[str], what: str, instead: str) -> None:
    if given:
        words = ", ".join(sorted(given))
        hint = f"leave {'them' if len(given) > 1 else 'it'} out: {instead}"
        raise UserError(f"{words}: says nothing about {what}", hint, usage=True)


def _refuse_sharing(group: Group, what: str) -> None:
    if group.size > 1:
        raise UserError(
            f"{what}: there is no gallery that {group.size} processes could share",
            "evaluate it in one process",
            usage=True,
        )
