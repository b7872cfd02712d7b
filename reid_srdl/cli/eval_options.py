"""The options of ``reid-srdl eval``, and of the commands that share some of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

WHAT, RULES, ENGINE, OUTPUT = "What is evaluated", "Rules", "Engine", "Output"
CHANGES = "Re-ranking and query expansion"
RANK_LISTS = Path("rank_lists.csv")


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


RunArgument = Annotated[
    Path | None, typer.Argument(metavar="[RUN]", help="Folder of a run.", show_default=False)
]

FeaturesOption = Annotated[
    Path | None,
    typer.Option(
        "--features",
        metavar="FILE|DIR",
        rich_help_panel=WHAT,
        help="Features that other software made: .npz with query_features (Q x D), query_pids, "
        "query_camids, the same for gallery_ and optionally multi_; a folder of the same as "
        ".npy, whose gallery may be larger than memory; or layumi's .mat.",
    ),
]

DatasetOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", rich_help_panel=WHAT, help="Data set; default: the run's own."),
]

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        rich_help_panel=WHAT,
        help="Where the data set is; default: the run's own, or $REID_SRDL_DATA.",
    ),
]

SplitOption = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        rich_help_panel=WHAT,
        help="Which division, where the data set has several, or all: means over them; "
        "default: the run's own, or 0.",
    ),
]

DistractorsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        rich_help_panel=WHAT,
        help="A folder of images that join the gallery as nobody's, e.g. Market-1501's 500k.",
    ),
]

FlipOption = Annotated[
    bool | None,
    typer.Option(
        "--flip/--no-flip",
        rich_help_panel=WHAT,
        show_default=False,
        help="Average each image with its mirror image; default: the run's own.",
    ),
]

BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        min=1, rich_help_panel=WHAT, help="Images per forward pass; default: the run's own."
    ),
]

RulesOption = Annotated[
    Whose | None,
    typer.Option(
        rich_help_panel=RULES,
        help="Whose conventions: official (Market-1501's code; L2-normalised features), "
        "torchreid, fastreid (cosine); quirks are named below the table. Default: the run's "
        "own, or ours.",
    ),
]

DistanceOption = Annotated[
    Distance | None,
    typer.Option(
        rich_help_panel=RULES, help="Of two features; default: the run's own, or euclidean."
    ),
]

NormalizeOption = Annotated[
    bool | None,
    typer.Option(
        "--normalize/--raw",
        rich_help_panel=RULES,
        show_default=False,
        help="L2-normalise features first; default: the run's own, or raw.",
    ),
]

PoolingOption = Annotated[
    Pooling | None,
    typer.Option(
        rich_help_panel=RULES,
        help="Of a multi-query's boxes; default: the run's own, or mean.",
    ),
]

GalleryOption = Annotated[
    Galleries | None,
    typer.Option(
        rich_help_panel=RULES,
        help="all of it, or single-shot: one random image of each identity from the other "
        "cameras, averaged over trials; default: the run's or the data set's own, or all.",
    ),
]

TrialsOption = Annotated[
    int | None,
    typer.Option(
        min=1, rich_help_panel=RULES, help="Random galleries of single-shot; default: 100."
    ),
]

TrialSeedOption = Annotated[
    int | None, typer.Option(min=0, rich_help_panel=RULES, help="Of their draws; default: 0.")
]

RerankOption = Annotated[
    Rerank | None,
    typer.Option(
        rich_help_panel=CHANGES,
        help="k-reciprocal re-ranking (Zhong et al. 2017); default: the run's own, or none.",
    ),
]

RerankK1Option = Annotated[
    int | None,
    typer.Option(min=1, rich_help_panel=CHANGES, help="Its neighbours; default: 20."),
]

RerankK2Option = Annotated[
    int | None,
    typer.Option(
        min=1, rich_help_panel=CHANGES, help="Neighbours that it averages over; default: 6."
    ),
]

RerankLambdaOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        rich_help_panel=CHANGES,
        help="Its weight of the original distance; default: 0.3.",
    ),
]

ExpandOption = Annotated[
    Expand | None,
    typer.Option(
        rich_help_panel=CHANGES,
        help="Query expansion by the nearest images: plain mean, or weighed by cosine^alpha "
        "(L2-normalised features); default: the run's own, or none.",
    ),
]

ExpandNOption = Annotated[
    int | None,
    typer.Option(min=1, rich_help_panel=CHANGES, help="Its neighbours, n; default: 10."),
]

ExpandAlphaOption = Annotated[
    float | None,
    typer.Option(min=0, rich_help_panel=CHANGES, help="Its alpha; default: 3."),
]

EngineOption = Annotated[
    Engine | None,
    typer.Option(
        rich_help_panel=ENGINE,
        help="count: over blocks of distances; faiss: from FAISS's exact search. The same "
        "numbers; default: count.",
    ),
]

IndexOption = Annotated[
    str | None,
    typer.Option(
        metavar="FACTORY",
        rich_help_panel=ENGINE,
        help="With --engine faiss: score what this FAISS index retrieves, e.g. HNSW32 or "
        "'IVF256,Flat;nprobe=8' (parameters after ;). The mAP is truncated then.",
    ),
]

RetrievedOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel=ENGINE,
        help="With --index: images retrieved per query; default: 100.",
    ),
]

DeviceOption = Annotated[
    str,
    typer.Option(
        rich_help_panel=ENGINE,
        help="cpu, cuda or cuda:N; auto: CUDA for a run where there is one, cpu for features.",
    ),
]

PerQueryOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help="Write AP and first rank of each query (.csv or .json).",
    ),
]

TopKOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel=OUTPUT,
        help="Write each query's first N gallery images: names, cameras, distances.",
    ),
]

RankListsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help=f"Where --top-k writes to (.csv or .json); default: {RANK_LISTS}.",
    ),
]

JsonOption = Annotated[
    bool,
    typer.Option("--json", rich_help_panel=OUTPUT, help="Print JSON alone, fractions from 0 to 1."),
]
