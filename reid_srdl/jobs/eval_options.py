"""Options of ``reid-srdl eval`` that are no keys of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from reid_srdl.config.marked import CommandLine, section
from reid_srdl.config.option import ENGINE, OUTPUT, TESTED, Option
from reid_srdl.errors import UserError

RANK_LISTS = Path("rank_lists.csv")


class EvalLine(CommandLine):
    """What the command line of ``eval`` asks for, besides a run."""

    features: Annotated[
        Path | None,
        Option(
            "--features",
            "Features from any software: .npz with query_features (Q x D), query_pids, "
            "query_camids, the same for gallery_ and optionally multi_; a folder of the same as "
            ".npy, whose gallery may be larger than memory; or layumi's .mat.",
            *(TESTED, "eval", "FILE|DIR"),
        ),
    ] = None
    distances: Annotated[
        Path | None,
        Option(
            "--distances",
            "Distances from any software: a .npy of queries x gallery images, which may be "
            "larger than memory, with --labels; or a .npz with the array distances and the labels.",
            *(TESTED, "eval", "FILE"),
        ),
    ] = None
    labels: Annotated[
        Path | None,
        Option(
            "--labels",
            "With --distances: query_pids, query_camids, gallery_pids, gallery_camids; any "
            "features file has them.",
            *(TESTED, "eval", "FILE|DIR"),
        ),
    ] = None
    weights: Annotated[
        Path | None,
        Option(
            "--weights",
            "Weights that were trained elsewhere, with --model and --dataset; an ONNX file: "
            "--model onnx.",
            *(TESTED, "eval", "FILE"),
        ),
    ] = None
    told: Annotated[
        list[str] | None,
        Option(
            "--told",
            "A setting that such a file cannot show; an error says which. May be repeated.",
            *(TESTED, "eval", "KEY=VALUE"),
            many=True,
        ),
    ] = None
    normalisation: Annotated[
        str | None,
        Option(
            "--normalisation",
            "How an ONNX file takes pixels: by ImageNet's mean and deviation, in -1..1, in 0..1. "
            "Not needed, nor --channels, for files of reid-srdl's export.",
            *(TESTED, "eval", "imagenet|half|none|..."),
        ),
    ] = None
    channels: Annotated[
        str | None,
        Option(
            "--channels",
            "The order of colours that an ONNX file takes.",
            *(TESTED, "eval", "rgb|bgr"),
        ),
    ] = None
    classes: Annotated[
        Path | None,
        Option(
            "--classes",
            "With --weights of a classifier: the classes' names, one per line, in the order of "
            "its logits.",
            *(TESTED, "eval", "FILE"),
        ),
    ] = None
    split: Annotated[
        str | None,
        Option(
            "--split",
            "Which split, where the data set has several, or all: the mean over them; default: the "
            "run's own, or 0.",
            *(TESTED, "eval", "N"),
        ),
    ] = None
    distractors: Annotated[
        Path | None,
        Option(
            "--distractors",
            "A folder of images to add to the gallery as distractors (pid 0), e.g. Market-1501's "
            "500k.",
            *(TESTED, "eval", "DIR"),
        ),
    ] = None
    device: Annotated[
        str,
        Option(
            "--device",
            "cpu, cuda or cuda:N; auto: CUDA for a run where there is one, cpu for features. "
            "[default: auto]",
            *(ENGINE, "eval"),
        ),
    ] = "auto"
    per_query: Annotated[
        Path | None,
        Option(
            "--per-query",
            "Write AP and first rank of each query (.csv or .json).",
            *(OUTPUT, "eval", "FILE"),
        ),
    ] = None
    top_k: Annotated[
        int | None,
        Option(
            "--top-k",
            "Write each query's first N gallery images: names, cameras, distances.",
            *(OUTPUT, "eval", "N"),
        ),
    ] = Field(None, ge=1)
    rank_lists: Annotated[
        Path | None,
        Option(
            "--rank-lists",
            f"Where --top-k writes to (.csv or .json); default: {RANK_LISTS}.",
            *(OUTPUT, "eval", "FILE"),
        ),
    ] = None

    pictures: Annotated[
        Path | None,
        Option(
            "--pictures",
            "Draw rank lists into this folder: each query, its first ten images, the matches that "
            "it missed.",
            *(OUTPUT, "eval", "DIR"),
        ),
    ] = None
    worst: Annotated[
        int | None,
        Option(
            "--worst",
            "Draw the N queries of lowest average precision; default: 20.",
            *(OUTPUT, "eval", "N"),
        ),
    ] = Field(None, ge=1)
    best: Annotated[bool, Option("--best", "Draw the 20 best queries.", OUTPUT, "eval")] = False
    random: Annotated[
        bool,
        Option("--random", "Draw 20 random queries, the same each time.", OUTPUT, "eval"),
    ] = False
    queries: Annotated[
        str | None,
        Option("--queries", "Draw these queries, by image name.", *(OUTPUT, "eval", "NAME,...")),
    ] = None

    @property
    def lists(self) -> Path | None:
        """Where rank lists are written; None: nobody asked for them."""
        return self.rank_lists or (RANK_LISTS if self.top_k else None)

    @property
    def k(self) -> int:
        """The length of the rank lists."""
        return self.top_k or 10

    @property
    def length(self) -> int | None:
        """The length of the rank lists that are needed; None: none are."""
        return self.k if self.lists else 1 if self.pictures else None

    @property
    def changes(self) -> dict[str, Any]:
        """The keys of the ``eval`` section, nested as there."""
        return section(self.given, "eval")

    @property
    def split_number(self) -> int | None:
        """The number of the split.

        Raises:
            UserError: it is none.
        """
        if self.split is not None and not self.split.isdecimal():
            what = f"--split {self.split}: neither a number nor all"
            raise UserError(what, "count splits from 0", usage=True)
        return None if self.split is None else int(self.split)
