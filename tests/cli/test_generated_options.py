"""Options come from the schema alone: a field that is marked there is everywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from pydantic import Field

import reid_srdl
from reid_srdl.config import AnyConfig, Config, MethodOptions, TrainConfig
from reid_srdl.config.marked import CommandLine, flags, marked
from reid_srdl.config.option import HOW, PANELS, WHAT, Option
from reid_srdl.config.section import Section, keys_of
from reid_srdl.errors import UserError
from reid_srdl.jobs.eval_options import EvalLine
from reid_srdl.jobs.train_input import TrainLine
from reid_srdl.shell import options
from reid_srdl.shell.generated import with_options
from tests.small_set import write_small_set

MARKED = """
    patience: Annotated[
        int, Option("--patience", "Epochs of patience; default: {default}.", HOW)
    ] = Field(7, ge=1)
"""
SMALL = (
    *("--dataset", "folder", "--data-dir", "set", "--model", "resnet18", "--precision", "fp32"),
    *("--batch-size", "12", "--set", "data.height=32", "--set", "data.width=16", "--no-eval"),
    *("--set", "train.threads=1", "--method", "vanilla", "--epochs", "1"),
)


class MoreTrain(TrainConfig):
    patience: Annotated[
        int, Option("--patience", "Epochs of patience; default: {default}.", HOW)
    ] = Field(7, ge=1)
    rate: Annotated[float | None, Option("--rate", "A rate.", HOW)] = Field(None, gt=0, le=2)


class More(Config[MethodOptions]):
    train: MoreTrain = Field(default_factory=MoreTrain)


def app_of(schema: type[Section]) -> tuple[Any, dict[str, Any]]:
    """A program with the options of train, and what it was given last."""
    seen: dict[str, Any] = {}

    @with_options("train", schema=schema)
    def train(given: dict[str, Any], json: options.Json = False) -> None:
        seen.update(given, json=json)

    app = typer.Typer(add_completion=False)
    app.command()(train)
    return app, seen


def test_a_marked_field_becomes_an_option_with_type_range_and_default() -> None:
    app, seen = app_of(More)
    command = typer.main.get_command(app)
    by_name = {parameter.name: parameter for parameter in command.params}
    text = by_name["patience"].get_help_record(command.make_context("x", []))
    assert text == ("--patience <int> [x>=1]", "Epochs of patience; default: 7.")
    record = by_name["rate"].get_help_record(command.make_context("x", []))
    assert record[0] == "--rate <float> [x>0, x<=2]"
    app(["--patience", "3", "--rate", "0.5"], standalone_mode=False)
    assert seen == {"train.patience": 3, "train.rate": 0.5, "json": False}
    assert "--patience" not in {flag for _, flag in flags("train").items()}


class Own(CommandLine):
    """Options of train that are no keys."""

    origin: Annotated[str | None, Option("--from", "From where.", WHAT, metavar="RUN")] = None
    jobs: Annotated[int, Option("--jobs", "At once.", HOW)] = Field(1, ge=1)
    loud: Annotated[bool, Option("--loud", "Say it.", HOW)] = False


def test_a_section_of_its_own_gives_options_that_are_no_keys() -> None:
    seen: list[Own] = []

    @with_options("train", own=Own)
    def train(given: dict[str, Any]) -> None:
        seen.append(Own.of("train", given))

    app = typer.Typer(add_completion=False)
    app.command()(train)
    app([], standalone_mode=False)
    words = ["--from", "r", "--jobs", "2", "--loud", "--seed", "3", "--batch-size", "4"]
    app(words, standalone_mode=False)
    assert seen == [
        Own(),
        Own(given={"train.seed": 3, "optim.batch_size": 4}, origin="r", jobs=2, loud=True),
    ]
    assert seen[0].named("train") == set()
    assert seen[1].named("train") == {"--from", "--jobs", "--loud", "--seed", "--batch-size"}
    assert Own(jobs=1, loud=False).named("train") == set()  # as they are anyway
    with pytest.raises(UserError, match=r"--jobs: .*greater than or equal to 1 \(got 0\)"):
        app(["--jobs", "0"], standalone_mode=False)


def test_names_meet_on_no_command_and_panels_are_known() -> None:
    for command, own in (("train", TrainLine), ("eval", EvalLine)):
        found = [*marked(command), *marked(command, own)]
        assert len({one.parameter for one in found}) == len(found)
        assert {one.option.panel for one in found} <= set(PANELS)
    keys = dict(keys_of(AnyConfig))
    assert {*flags("train"), *flags("eval")} <= keys.keys()
    assert {key for key in keys if key.startswith("eval.")} - flags("eval").keys() == {
        "eval.enabled",
        "eval.ensembles",
        "eval.every",  # of epochs in training
    }


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the program with one more marked field in its schema, and nothing else changed."""
    package = Path(reid_srdl.__file__).parent
    copy = tmp_path / "copy"
    shutil.copytree(package, copy / "reid_srdl", ignore=shutil.ignore_patterns("__pycache__"))
    schema = copy / "reid_srdl/config/schema.py"
    head, mark, tail = schema.read_text().partition("    threads: Annotated[int | None")
    schema.write_text(head.rstrip("\n") + MARKED + mark + tail)
    return copy


def test_one_line_in_the_schema_reaches_help_assignments_and_record(
    changed: Path, tmp_path: Path
) -> None:
    def run(*words: str) -> str:
        environment = os.environ | {"PYTHONPATH": str(changed), "COLUMNS": "160"}
        done = subprocess.run(
            [sys.executable, "-m", "reid_srdl", "train", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=environment | {"REID_SRDL_CACHE": str(tmp_path / "cache")},
        )
        assert done.returncode == (2 if "0" in words else 0), done.stderr
        return done.stdout + done.stderr

    assert "Epochs of patience; default: 7." in run("--help")
    assert "  patience: 4\n" in run("--patience", "4", "--print-config")
    assert "  patience: 5\n" in run("--set", "train.patience=5", "--print-config")
    assert "train.patience: Input should be greater than" in run("--patience", "0")
    write_small_set(tmp_path / "set")
    run(*SMALL, "--patience", "6", "--name", "r")
    record = json.loads((tmp_path / "runs/r/record.json").read_text())
    assert record["config"]["train"]["patience"] == 6


def test_no_option_of_train_or_eval_is_written_by_hand() -> None:
    """The program's own --version and --debug are: no schema has them."""
    cli = Path(reid_srdl.__file__).parent / "cli"
    files = [*cli.glob("train*.py"), *cli.glob("eval*.py")]
    assert {"train.py", "eval.py"} <= {file.name for file in files}
    assert sum(file.read_text().count("typer.Option(") for file in files) == 0
    assert (cli / "__init__.py").read_text().count("typer.Option(") == 2


def test_the_help_of_train_fits_sixty_lines(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reid_srdl", "train", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "160"},
    )
    assert len(done.stdout.splitlines()) <= 60
