"""``reid-srdl eval``: scores of a run's network, or of features that other software made."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_srdl.cli import eval_classes, eval_splits
from reid_srdl.cli import eval_options as options
from reid_srdl.errors import UserError

if TYPE_CHECKING:
    from reid_srdl.evaluation import Evaluated
    from reid_srdl.report.progress import Display
    from reid_srdl.retrieval.features import Features
    from reid_srdl.retrieval.sharing.sharding import Group

EXAMPLE = (
    "Examples:  reid-srdl eval runs/NAME --dataset market1501 --data-dir DIR   |   "
    "reid-srdl eval --features features.npz --json"
)


@dataclass(frozen=True)
class TestSet:
    """Which data a run's network is evaluated on; None: the run's own."""

    dataset: str | None
    data_dir: Path | None
    split: int | None
    distractors: Path | None


def evaluate(
    run: options.RunArgument = None,
    features: options.FeaturesOption = None,
    dataset: options.DatasetOption = None,
    data_dir: options.DataDirOption = None,
    split: options.SplitOption = None,
    distractors: options.DistractorsOption = None,
    flip: options.FlipOption = None,
    batch_size: options.BatchSizeOption = None,
    rules: options.RulesOption = None,
    distance: options.DistanceOption = None,
    normalize: options.NormalizeOption = None,
    pooling: options.PoolingOption = None,
    gallery: options.GalleryOption = None,
    trials: options.TrialsOption = None,
    trial_seed: options.TrialSeedOption = None,
    rerank: options.RerankOption = None,
    rerank_k1: options.RerankK1Option = None,
    rerank_k2: options.RerankK2Option = None,
    rerank_lambda: options.RerankLambdaOption = None,
    expand: options.ExpandOption = None,
    expand_n: options.ExpandNOption = None,
    expand_alpha: options.ExpandAlphaOption = None,
    engine: options.EngineOption = None,
    index: options.IndexOption = None,
    retrieved: options.RetrievedOption = None,
    device: options.DeviceOption = "auto",
    per_query: options.PerQueryOption = None,
    top_k: options.TopKOption = None,
    rank_lists: options.RankListsOption = None,
    json: options.JsonOption = False,
) -> None:
    """Evaluate a run's network or a file of features: CMC, mAP, mINP, single- and multi-query.

    Several processes share the gallery, each metric the same to the bit:
    torchrun --nproc-per-node N -m reid_srdl eval ...

    On M machines that see the same files, on each of them:
    torchrun --nnodes M --nproc-per-node N --rdzv-backend c10d --rdzv-endpoint HOST:PORT
    -m reid_srdl eval ...

    OMP_NUM_THREADS sets the threads of each process; torchrun takes 1 where it is not set.
    """
    changes: dict[str, Any] = {
        "flip": flip,
        "batch_size": batch_size,
        "rules": rules and rules.value,
        "distance": distance and distance.value,
        "normalize": normalize,
        "pooling": pooling and pooling.value,
        "gallery": gallery and gallery.value,
        "trials": trials,
        "trial_seed": trial_seed,
        "engine": engine and engine.value,
        "rerank": rerank and rerank.value,
        "rerank_k1": rerank_k1,
        "rerank_k2": rerank_k2,
        "rerank_lambda": rerank_lambda,
        "expand": expand and expand.value,
        "expand_n": expand_n,
        "expand_alpha": expand_alpha,
        "index": index,
        "retrieved": retrieved,
    }
    changes = {key: value for key, value in changes.items() if value is not None}
    lists = rank_lists or (options.RANK_LISTS if top_k else None)
    outputs = [file for file in (per_query, lists) if file]
    from reid_srdl.retrieval.sharing.sharding import joined

    with joined() as group:
        _check(run, features, outputs)
        if run is not None and eval_classes.is_classification(run):
            _refuse_sharing(group, "a classification run")
            asked: dict[str, Any] = {"dataset": dataset, "per_query": per_query}
            asked |= {"rank_lists": lists, "split": split, "distractors": distractors}
            asked = changes | {key: value for key, value in asked.items() if value is not None}
            eval_classes.evaluate_run(run, data_dir, asked, device, json)
            return
        if run is not None and split == "all":
            _refuse_sharing(group, "--split all")
            single = {"--per-query": per_query, "--top-k": lists, "--distractors": distractors}
            _refuse(single, "is for one split", "choose one")
            eval_splits.evaluate_run(run, dataset, data_dir, changes, device, json)
            return
        with _display(group) as display:
            if run is not None:
                which = TestSet(dataset, data_dir, eval_splits.read_split(split), distractors)
                tested, result, kept = _of_run(run, which, changes, device, display, group)
            else:
                assert features is not None
                given: dict[str, Any] = {"--dataset": dataset, "--data-dir": data_dir}
                given |= {"--flip": flip, "--split": split, "--distractors": distractors}
                _refuse(
                    given | {"--batch-size": batch_size},
                    "says nothing about a file of features",
                    "evaluate a run",
                )
                tested, result = _of_file(features, changes, device, display, group)
                kept = None
        if group.rank == 0:
            _write(tested, result, per_query, lists, top_k or 10)
            _warn(tested, result)
            _print(result, json, str(run or features), kept)


def _refuse_sharing(group: Group, what: str) -> None:
    if group.size > 1:
        raise UserError(
            f"{what}: there is no gallery that {group.size} processes could share",
            "evaluate it in one process",
            usage=True,
        )


def _display(group: Group) -> Display:
    from reid_srdl.report.progress import Display

    if group.size > 1 and group.local_rank == 0:
        elsewhere = f"; the one on {group.writer} tells the results" if group.rank else ""
        print(f"{group.size} processes share the gallery{elsewhere}", file=sys.stderr)
    return Display(0, shown=group.rank == 0)


def _check(run: Path | None, features: Path | None, outputs: list[Path]) -> None:
    if (run is None) == (features is None):
        raise UserError(
            "eval takes a run's folder or --features FILE, one of the two",
            "see: reid-srdl eval --help",
            usage=True,
        )
    from reid_srdl.retrieval import tables

    for file in outputs:
        tables.check_suffix(file)


def _refuse(options: dict[str, Any], why: str, instead: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise UserError(f"{name}: {why}", f"leave {name} out, or {instead}", usage=True)


def _of_run(
    run: Path,
    which: TestSet,
    changes: dict[str, Any],
    device: str,
    display: Display,
    group: Group,
) -> tuple[Features, Evaluated, Path]:
    from reid_srdl.jobs.evaluate import evaluate_run

    return evaluate_run(
        run,
        dataset=which.dataset,
        data_dir=which.data_dir,
        split=which.split,
        distractors=which.distractors,
        changes=changes,
        device=device,
        steps=display.steps,
        progress=lambda done, total: display.steps("ranking", done, total),
        group=group,
    )


def _of_file(
    file: Path, changes: dict[str, Any], device: str, display: Display, group: Group
) -> tuple[Features, Evaluated]:
    from reid_srdl.config import EvalConfig
    from reid_srdl.evaluation import check_shared, evaluate_by
    from reid_srdl.retrieval.feature_files import load_features

    settings = EvalConfig(**changes)
    check_shared(settings, group)
    features = load_features(file)
    result = evaluate_by(
        features,
        settings,
        device="cpu" if device == "auto" else group.device(device),
        progress=lambda done, total: display.steps("ranking", done, total),
        group=group,
    )
    return features, result


def _write(
    features: Features, result: Evaluated, per_query: Path | None, lists: Path | None, k: int
) -> None:
    from reid_srdl.retrieval import tables
    from reid_srdl.retrieval.rank_lists import rank_lists

    rules = result.evaluation.protocol
    found = rank_lists(features, rules, k) if lists else []  # it may fail: before any writing
    if per_query is not None:
        tables.write_per_query(per_query, result.single, result.multi, rules)
    if lists is not None:
        tables.write_rank_lists(lists, features, found)
    for file in (per_query, lists):
        if file is not None:
            print(f"written: {file}", file=sys.stderr)


def _warn(features: Features, result: Evaluated) -> None:
    from reid_srdl.report.evaluation import rule_warnings, skipped_warnings

    unusual = rule_warnings(result, features.gallery.labels)
    for line in (*skipped_warnings(result.evaluation), *unusual):
        print(f"warning: {line}", file=sys.stderr)


def _print(result: Evaluated, as_json: bool, title: str, kept: Path | None) -> None:
    from rich.console import Console

    from reid_srdl.report.evaluation import evaluation_table
    from reid_srdl.report.render import to_rich

    if as_json:
        print(result.evaluation.model_dump_json(indent=2))
        return
    console = Console()
    console.print(to_rich(evaluation_table(result.evaluation, title), console))
    if kept is not None:
        console.print(f"record: {kept}", soft_wrap=True, highlight=False)
