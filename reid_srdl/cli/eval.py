"""``reid-srdl eval``: scores of a run's network, or of features that other software made."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reid_srdl.cli import eval_classes, eval_splits
from reid_srdl.errors import UserError

if TYPE_CHECKING:
    from reid_srdl.evaluation import Evaluated
    from reid_srdl.report.progress import Display
    from reid_srdl.retrieval.features import Features
    from reid_srdl.retrieval.sharding import Group


class Engine(StrEnum):
    """Who computes the ranks; the numbers are the same."""

    COUNT = "count"
    FAISS = "faiss"


class Rerank(StrEnum):
    """What changes the distances before ranking."""

    NONE = "none"
    K_RECIPROCAL = "k-reciprocal"


class Expand(StrEnum):
    """What changes the queries before ranking."""

    NONE = "none"
    AQE = "aqe"
    ALPHA_QE = "alpha-qe"


class Distance(StrEnum):
    """By what the gallery is ranked."""

    EUCLIDEAN = "euclidean"
    COSINE = "cosine"


class Whose(StrEnum):
    """Whose conventions are followed."""

    OURS = "ours"
    OFFICIAL = "official"
    TORCHREID = "torchreid"
    FASTREID = "fastreid"


class Galleries(StrEnum):
    """What a query is searched in."""

    ALL = "all"
    SINGLE_SHOT = "single-shot"


class Pooling(StrEnum):
    """How a multi-query's boxes become one feature."""

    MEAN = "mean"
    MAX = "max"


@dataclass(frozen=True)
class TestSet:
    """Which data a run's network is evaluated on; None: the run's own."""

    dataset: str | None
    data_dir: Path | None
    split: int | None
    distractors: Path | None


WHAT, RULES, ENGINE, OUTPUT = "What is evaluated", "Rules", "Engine", "Output"
CHANGES = "Re-ranking and query expansion"
EXAMPLE = (
    "Examples:  reid-srdl eval runs/NAME --dataset market1501 --data-dir DIR   |   "
    "reid-srdl eval --features features.npz --json"
)
_RANK_LISTS = Path("rank_lists.csv")


def evaluate(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="Folder of a run.", show_default=False)
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            metavar="FILE|DIR",
            rich_help_panel=WHAT,
            help="Features that other software made: .npz with query_features (Q x D), query_pids, "
            "query_camids, the same for gallery_ and optionally multi_; a folder of the same as "
            ".npy, whose gallery may be larger than memory; or layumi's .mat.",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", rich_help_panel=WHAT, help="Data set; default: the run's own."
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel=WHAT,
            help="Where the data set is; default: the run's own, or $REID_SRDL_DATA.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            rich_help_panel=WHAT,
            help="Which division, where the data set has several, or all: means over them; "
            "default: the run's own, or 0.",
        ),
    ] = None,
    distractors: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel=WHAT,
            help="A folder of images that join the gallery as nobody's, e.g. Market-1501's 500k.",
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            rich_help_panel=WHAT,
            show_default=False,
            help="Average each image with its mirror image; default: the run's own.",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, rich_help_panel=WHAT, help="Images per forward pass; default: the run's own."
        ),
    ] = None,
    rules: Annotated[
        Whose | None,
        typer.Option(
            rich_help_panel=RULES,
            help="Whose conventions: official (Market-1501's code; L2-normalised features), "
            "torchreid, fastreid (cosine); quirks are named below the table. Default: the run's "
            "own, or ours.",
        ),
    ] = None,
    distance: Annotated[
        Distance | None,
        typer.Option(
            rich_help_panel=RULES, help="Of two features; default: the run's own, or euclidean."
        ),
    ] = None,
    normalize: Annotated[
        bool | None,
        typer.Option(
            "--normalize/--raw",
            rich_help_panel=RULES,
            show_default=False,
            help="L2-normalise features first; default: the run's own, or raw.",
        ),
    ] = None,
    pooling: Annotated[
        Pooling | None,
        typer.Option(
            rich_help_panel=RULES,
            help="Of a multi-query's boxes; default: the run's own, or mean.",
        ),
    ] = None,
    gallery: Annotated[
        Galleries | None,
        typer.Option(
            rich_help_panel=RULES,
            help="all of it, or single-shot: one random image of each identity from the other "
            "cameras, averaged over trials; default: the run's or the data set's own, or all.",
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1, rich_help_panel=RULES, help="Random galleries of single-shot; default: 100."
        ),
    ] = None,
    trial_seed: Annotated[
        int | None, typer.Option(min=0, rich_help_panel=RULES, help="Of their draws; default: 0.")
    ] = None,
    rerank: Annotated[
        Rerank | None,
        typer.Option(
            rich_help_panel=CHANGES,
            help="k-reciprocal re-ranking (Zhong et al. 2017); default: the run's own, or none.",
        ),
    ] = None,
    rerank_k1: Annotated[
        int | None,
        typer.Option(min=1, rich_help_panel=CHANGES, help="Its neighbours; default: 20."),
    ] = None,
    rerank_k2: Annotated[
        int | None,
        typer.Option(
            min=1, rich_help_panel=CHANGES, help="Neighbours that it averages over; default: 6."
        ),
    ] = None,
    rerank_lambda: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            rich_help_panel=CHANGES,
            help="Its weight of the original distance; default: 0.3.",
        ),
    ] = None,
    expand: Annotated[
        Expand | None,
        typer.Option(
            rich_help_panel=CHANGES,
            help="Query expansion by the nearest images: plain mean, or weighed by cosine^alpha "
            "(L2-normalised features); default: the run's own, or none.",
        ),
    ] = None,
    expand_n: Annotated[
        int | None,
        typer.Option(min=1, rich_help_panel=CHANGES, help="Its neighbours, n; default: 10."),
    ] = None,
    expand_alpha: Annotated[
        float | None,
        typer.Option(min=0, rich_help_panel=CHANGES, help="Its alpha; default: 3."),
    ] = None,
    engine: Annotated[
        Engine | None,
        typer.Option(
            rich_help_panel=ENGINE,
            help="count: over blocks of distances; faiss: from FAISS's exact search. The same "
            "numbers; default: count.",
        ),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            metavar="FACTORY",
            rich_help_panel=ENGINE,
            help="With --engine faiss: score what this FAISS index retrieves, e.g. HNSW32 or "
            "'IVF256,Flat;nprobe=8' (parameters after ;). The mAP is truncated then.",
        ),
    ] = None,
    retrieved: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            rich_help_panel=ENGINE,
            help="With --index: images retrieved per query; default: 100.",
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            rich_help_panel=ENGINE,
            help="cpu, cuda or cuda:N; auto: CUDA for a run where there is one, cpu for features.",
        ),
    ] = "auto",
    per_query: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="Write AP and first rank of each query (.csv or .json).",
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            rich_help_panel=OUTPUT,
            help="Write each query's first N gallery images: names, cameras, distances.",
        ),
    ] = None,
    rank_lists: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help=f"Where --top-k writes to (.csv or .json); default: {_RANK_LISTS}.",
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option(
            "--json", rich_help_panel=OUTPUT, help="Print JSON alone, fractions from 0 to 1."
        ),
    ] = False,
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
    lists = rank_lists or (_RANK_LISTS if top_k else None)
    outputs = [file for file in (per_query, lists) if file]
    from reid_srdl.retrieval.sharding import joined

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

    if group.rank == 0 and group.size > 1:
        print(f"{group.size} processes share the gallery", file=sys.stderr)
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
