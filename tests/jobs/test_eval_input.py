"""What eval takes: each kind's options that say nothing are real ones, and are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from reid_srdl.errors import UserError
from reid_srdl.group.processes import Alone, Group
from reid_srdl.jobs.eval_input import KINDS, input_of
from reid_srdl.jobs.eval_options import EvalLine


class Two(Alone):
    """As one of two processes sees it."""

    size = 2


def refused(group: Group | None = None, **asked: Any) -> str:
    with pytest.raises(UserError) as raised:
        input_of(None, EvalLine.of("eval", asked), group or Alone())
    return f"{raised.value.what}; {raised.value.hint}"


def test_what_says_nothing_is_an_option_of_eval() -> None:
    known = set(EvalLine.options("eval").values())
    for name, kind in KINDS.items():
        for silent in kind.silent:
            assert set(silent.options) <= known, name
            assert set(silent.because) <= set(silent.options), name
    assert "--batch-size" in known
    assert "--top-k" in known


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "takes one of: a run's folder, --features FILE, --distances FILE, --weights FILE"),
        ({"features": Path("f"), "weights": Path("w")}, "takes one of"),
        ({"features": Path("f"), "labels": Path("l")}, "--labels: are of --distances"),
        ({"features": Path("f"), "per_query": Path("x.txt")}, "neither .csv nor .json"),
        (
            {"features": Path("f"), "data.name": "viper", "split": "1"},
            "--dataset, --split: says nothing about a file of features; leave them out: evaluate a "
            "run",
        ),
        (
            {"distances": Path("d"), "eval.rerank.method": "k-reciprocal"},
            "--rerank: says nothing about a matrix of distances; leave it out: re-ranking needs "
            "the queries' distances to each other, too; evaluate features",
        ),
        ({"weights": Path("w"), "run.name": "x"}, "--name: says nothing about a file of weights"),
    ],
)
def test_a_wrong_call_is_refused(asked: dict[str, Any], words: str) -> None:
    assert words in refused(**asked)


def test_a_file_of_its_kind_is_taken() -> None:
    for kind in ("features", "distances", "weights"):
        asked = EvalLine.of("eval", {kind: Path("x"), "eval.trials": 3, "top_k": 2})
        source = input_of(None, asked, Alone())
        assert (source.kind, source.path) == (kind, Path("x"))


def test_what_has_no_gallery_is_not_shared() -> None:
    two = cast(Group, Two())
    told = "a matrix of distances: there is no gallery that 2 processes could share"
    assert told in refused(two, distances=Path("d"))
    assert input_of(None, EvalLine(features=Path("f")), two).kind == "features"
