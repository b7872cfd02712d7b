"""``reid-srdl eval``: scores of a run's network, or of features that other software made."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reid_srdl.errors import UserError

if TYPE_CHECKING:
    from reid_srdl.evaluate import Evaluated
    from reid_srdl.retrieval.features import Features
    from reid_srdl.retrieval.result import Protocol, Rules, Scores


class Engine(StrEnum):
    """Who computes the ranks; the numbers are the same."""

    COUNT = "count"
    FAISS = "faiss"


class Distance(StrEnum):
    """By what the gallery is ranked."""

    EUCLIDEAN = "euclidean"
    COSINE = "cosine"


class Pooling(StrEnum):
    """How a multi-query's boxes become one feature."""

    MEAN = "mean"
    MAX = "max"


WHAT, RULES, ENGINE, OUTPUT = "What is evaluated", "Rules", "Engine", "Output"
EPILOG = (
    "Examples:  reid-srdl eval runs/srdl-0 --dataset market1501 --data-dir ~/data   |   "
    "reid-srdl eval --features features.npz --json"
)


def evaluate_command(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="Folder of a run.", show_default=False)
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            metavar="FILE",
            rich_help_panel=WHAT,
            help="Features that other software made: .npz with query_features (Q x D), query_pids, "
            "query_camids, the same for gallery_ and optionally multi_; or layumi's .mat.",
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
            envvar="REID_SRDL_DATA",
            rich_help_panel=WHAT,
            help="Where the data set is; default: the run's own.",
        ),
    ] = None,
    flip: Annotated[
        bool,
        typer.Option(
            "--flip", rich_help_panel=WHAT, help="Average each image with its mirror image."
        ),
    ] = False,
    batch_size: Annotated[
        int, typer.Option(min=1, rich_help_panel=WHAT, help="Images per forward pass.")
    ] = 128,
    distance: Annotated[
        Distance, typer.Option(rich_help_panel=RULES, help="Distance of two features.")
    ] = Distance.EUCLIDEAN,
    normalize: Annotated[
        bool,
        typer.Option("--normalize", rich_help_panel=RULES, help="L2-normalise features first."),
    ] = False,
    pooling: Annotated[
        Pooling, typer.Option(rich_help_panel=RULES, help="How a multi-query's boxes are pooled.")
    ] = Pooling.MEAN,
    engine: Annotated[
        Engine,
        typer.Option(
            rich_help_panel=ENGINE,
            help="count: over blocks of distances; faiss: from FAISS's exact search. Same numbers.",
        ),
    ] = Engine.COUNT,
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
    rank_lists: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="Write each query's first gallery images (.csv or .json).",
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", rich_help_panel=OUTPUT, help="Images per rank list; default: 10."
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option(
            "--json", rich_help_panel=OUTPUT, help="Print JSON alone, fractions from 0 to 1."
        ),
    ] = False,
) -> None:
    """Evaluate a run's network or a file of features: CMC, mAP, mINP, single- and multi-query."""
    if (run is None) == (features is None):
        raise UserError(
            "eval takes a run's folder or --features FILE, one of the two",
            "see: reid-srdl eval --help",
            usage=True,
        )
    if top_k is not None and rank_lists is None:
        raise UserError("--top-k says nothing without a file", "add --rank-lists FILE", usage=True)
    from reid_srdl.retrieval import tables
    from reid_srdl.retrieval.result import Protocol

    for file in (per_query, rank_lists):
        if file is not None:
            tables.check_suffix(file)
    protocol = Protocol(distance=distance.value, normalize=normalize, pooling=pooling.value)
    if run is not None:
        from reid_srdl.extract import (  # type: ignore[import-not-found,unused-ignore]
            features_of_run,
        )

        tested = features_of_run(
            run, dataset=dataset, data_dir=data_dir, flip=flip, batch_size=batch_size, device=device
        )
    else:
        assert features is not None
        from reid_srdl.retrieval.feature_files import load_features

        tested = load_features(features)
    result = _evaluate(tested, protocol, engine, _resolved(device, run is not None))
    lists = None
    if rank_lists is not None:
        from reid_srdl.retrieval.rank_lists import rank_lists as listed

        lists = listed(tested, protocol, top_k or 10)
    # Everything is computed by now: a run that fails leaves no file.
    if per_query is not None:
        tables.write_per_query(per_query, result.single, result.multi)
    if rank_lists is not None and lists is not None:
        tables.write_rank_lists(rank_lists, tested, lists)
    _warn_of_skipped(result)
    if json:
        print(result.evaluation.model_dump_json(indent=2))
    else:
        _print_table(result)


def _resolved(device: str, is_run: bool) -> str:
    if device != "auto":
        return device
    if not is_run:
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _evaluate(tested: Features, protocol: Protocol, engine: Engine, device: str) -> Evaluated:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from reid_srdl.evaluate import evaluate

    console = Console(stderr=True)
    if not console.is_terminal:
        return evaluate(tested, protocol, engine=engine.value, device=device)
    columns = TextColumn("ranking"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("ranking", total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return evaluate(tested, protocol, engine=engine.value, device=device, progress=report)


def _warn_of_skipped(result: Evaluated) -> None:
    for kind, scores, why in (
        ("queries", result.evaluation.single_query, "no match in the gallery"),
        ("multi-queries", result.evaluation.multi_query, "no boxes, or no match in the gallery"),
    ):
        if scores is not None and scores.skipped:
            total = scores.queries + scores.skipped
            print(f"warning: {scores.skipped} of {total} {kind} left out: {why}", file=sys.stderr)


def _print_table(result: Evaluated) -> None:
    from rich.console import Console
    from rich.table import Table

    evaluation = result.evaluation
    table = Table(title=None, caption_justify="left")
    table.add_column("%")
    columns = {"single-query": evaluation.single_query, "multi-query": evaluation.multi_query}
    shown = {name: scores for name, scores in columns.items() if scores is not None}
    for name in shown:
        table.add_column(name, justify="right")
    for label, key in _LINES:
        table.add_row(label, *(_shown(scores, key) for scores in shown.values()))
    console = Console(highlight=False)
    console.print(table)
    for rule in _rules(evaluation.protocol):
        console.print(f"  {rule}", style="dim")


_LINES = (
    ("Rank-1", "rank1"),
    ("Rank-5", "rank5"),
    ("Rank-10", "rank10"),
    ("Rank-20", "rank20"),
    ("mAP", "mAP"),
    ("mAP (trapezoid)", "mAP_trapezoid"),
    ("mINP", "mINP"),
    ("queries", "queries"),
    ("skipped", "skipped"),
)


def _shown(scores: Scores, key: str) -> str:
    value = getattr(scores, key)
    return str(value) if isinstance(value, int) else f"{100 * value:.2f}"


def _rules(rules: Rules) -> list[str]:
    features = "L2-normalised" if rules.normalize else "raw"
    return [
        f"{rules.distance} distance of {features} features; multi-query boxes pooled by "
        f"{rules.pooling}",
        f"{rules.junk}; {rules.same_camera}",
        f"{rules.ties}; {rules.no_match}",
        rules.ap,
    ]
