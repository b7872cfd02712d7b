"""Each command that prints a result takes ``--json`` and ``--format json``, to the same bytes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from reid_srdl.cli import app
from tests.cli.run import assert_told, reid_srdl_here

# They write files, and print no more than what stands where.
WRITERS = {
    *("extract", "embed", "export", "import", "curves", "report", "analyse activation"),
    *("data get", "data make walkers"),
}
# The others' arguments, below a folder with data ``d`` and runs ``r/vanilla`` and ``r/srdl``;
# None: it takes too long for a test of options, or needs runs of classes.
CALLS: dict[str, str | None] = {
    "train": "--resume r/vanilla",
    "eval": "r/vanilla",
    "compare": "r/vanilla r/srdl --resamples 99",
    "cross": None,
    "search": "r/vanilla {query}",
    "profile": None,  # no two measure the same
    "index-study": None,
    "leaderboard": "r",
    "doctor": "",
    "study show": "table4 --runs r",
    "study run": None,
    "study list": "",
    "data check": "walkers --data-dir d",
    "data list": "",
    "runs list": "r",
    "runs check": "r/vanilla",
    "runs prune": "r/vanilla --dry-run",
    "cache list": "",
    "cache clear": "",
    "analyse entropy": None,
    "analyse ensemble": None,
    "analyse noise": None,
    "analyse width": None,
    "analyse predictions": None,
    "analyse agreement": None,
    "analyse project": None,
    "analyse gradients": None,
}


def leaves(command: Any, words: tuple[str, ...] = ()) -> dict[str, Any]:
    """Returns each command of the tree by its words."""
    members = getattr(command, "commands", None)
    if members is None:
        return {" ".join(words): command}
    found: dict[str, Any] = {}
    for name, one in members.items():
        found |= leaves(one, (*words, name))
    return found


@pytest.fixture(scope="module")
def place(walkers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished runs, to write beside."""
    own = tmp_path_factory.mktemp("forms")
    shutil.copytree(walkers / "r", own / "r")
    (own / "d").symlink_to(walkers / "d")
    return own


COMMANDS = leaves(typer.main.get_command(app))


def test_every_command_is_told_apart() -> None:
    assert COMMANDS.keys() == WRITERS | CALLS.keys()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_what_prints_a_result_has_both_options(name: str) -> None:
    flags = {flag for one in COMMANDS[name].params for flag in one.opts}
    assert flags & {"--json", "--format"} == (set() if name in WRITERS else {"--json", "--format"})


@pytest.mark.parametrize("name", sorted(name for name, words in CALLS.items() if words is not None))
def test_both_print_the_same_bytes(
    name: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("REID_SRDL_CACHE", str(place / "cache"))
    query = next((place / "d/walkers/query").glob("*.jpg"))
    words = (CALLS[name] or "").format(query=query).split()
    told = [
        reid_srdl_here(*name.split(), *words, *form, streams=capsys)
        for form in (("--json",), ("--format", "json"), ("--json", "--format", "json"))
    ]
    assert [done.returncode for done in told] == [0, 0, 0], told[0].stderr
    json.loads(told[0].stdout)
    # The disk has new free bytes each time, and a first search is what fills its cache.
    texts = {re.sub(r'"(free|cached)": \w+', "", done.stdout) for done in told}
    assert len(texts) == 1


@pytest.mark.parametrize("form", ["table", "csv"])
def test_two_forms_are_refused(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = reid_srdl_here("leaderboard", "runs", "--json", "--format", form, streams=capsys)
    assert_told(done, f"--json and --format {form}: two forms", status=2)


def test_a_run_in_json_is_its_record(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = reid_srdl_here("train", "--resume", place / "r/srdl", "--json", streams=capsys)
    told = json.loads(done.stdout)
    kept = json.loads((place / "r/srdl/record.json").read_text())
    assert told.pop("record") == str(place / "r/srdl/record.json")
    for one in kept["evaluations"]:
        del one["per_query"]
    assert told == kept


def test_evaluated_features_answer_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays: dict[str, Any] = {}
    for part, size, camera in (("query", 4, 1), ("gallery", 12, 2)):
        arrays[f"{part}_features"] = np.arange(3 * size, dtype=np.float32).reshape(size, 3) % 7
        arrays[f"{part}_pids"] = np.arange(size) % 4
        arrays[f"{part}_camids"] = np.full(size, camera)
    file = tmp_path / "f.npz"
    np.savez(file, **arrays)
    one = reid_srdl_here("eval", "--features", file, "--json", streams=capsys)
    other = reid_srdl_here("eval", "--features", file, "--format", "json", streams=capsys)
    assert one.returncode == 0, one.stderr
    assert one.stdout == other.stdout
