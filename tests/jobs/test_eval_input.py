"""What eval takes: each kind's options that say nothing are real ones, and are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from reid_srdl.config import to_yaml
from reid_srdl.errors import UserError
from reid_srdl.group.processes import Alone, Group
from reid_srdl.jobs.eval_input import KINDS, input_of
from reid_srdl.jobs.eval_options import EvalLine
from reid_srdl.jobs.experiment import experiment


class Two(Alone):
    """As one of two processes sees it."""

    size = 2


def refused(run: Path | None = None, group: Group | None = None, **asked: Any) -> str:
    with pytest.raises(UserError) as raised:
        input_of(run, EvalLine.of("eval", asked), group or Alone())
    return f"{raised.value.what}; {raised.value.hint}"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Folders of runs on two kinds of data set, on sets that are joined, and of an imported one."""
    for name in ("viper", "cifar10", "market1501+viper", "unknown"):
        data = {"name": name}
        config = experiment({"data": data if name != "unknown" else {}})
        if name == "unknown":
            config = config.model_copy(update={"data": config.data.model_copy(update=data)})
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(to_yaml(config))
    return tmp_path


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
    assert told in refused(None, two, distances=Path("d"))
    assert input_of(None, EvalLine(features=Path("f")), two).kind == "features"


def test_each_run_is_of_its_kind(runs: Path) -> None:
    for name, asked, kind in (
        ("viper", {"data.name": "market1501", "split": "1", "per_query": Path("q.csv")}, "run"),
        ("viper", {"split": "all"}, "splits"),
        ("market1501+viper", {}, "sets"),
        ("market1501+viper", {"data.name": "viper", "split": "all"}, "splits"),
        ("cifar10", {"device": "cpu", "eval.batch_size": 4}, "classes"),
        ("unknown", {"data.name": "cifar10"}, "imported classes"),
        ("unknown", {"data.name": "viper", "split": "2"}, "run"),
    ):
        found = input_of(runs / name, EvalLine.of("eval", asked), Alone())
        assert (found.kind, found.path) == (kind, runs / name)
        assert found.sets == (("market1501", "viper") if kind == "sets" else ())


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        ("viper", {"run.name": "x"}, "--name: says nothing about a run, which has its own record"),
        ("viper", {"told": ["a=b"]}, "--told: says nothing about a run, which knows it"),
        ("viper", {"split": "all", "top_k": 3}, "--top-k: says nothing about all splits together"),
        (
            "market1501+viper",
            {"split": "1", "eval.verification": True},
            "--split, --verification: says nothing about all sets together; leave them out: or "
            "--dataset market1501 or viper",
        ),
        ("cifar10", {"eval.rules": "official"}, "--rules: says nothing about a classification run"),
        ("cifar10", {"data.name": "mnist"}, "--dataset: says nothing about a classification run"),
        ("unknown", {"data.name": "mnist", "split": "1"}, "--split: says nothing about a class"),
    ],
)
def test_a_wrong_call_for_a_run_is_refused(
    runs: Path, name: str, asked: dict[str, Any], words: str
) -> None:
    assert words in refused(runs / name, **asked)


def test_runs_without_one_gallery_are_not_shared(runs: Path) -> None:
    two = cast(Group, Two())
    for name, asked, what in (
        ("viper", {"split": "all"}, "--split all"),
        ("market1501+viper", {}, "a joint set"),
        ("cifar10", {}, "a classification run"),
    ):
        told = f"{what}: there is no gallery that 2 processes could share"
        assert told in refused(runs / name, two, **asked)
