"""Each recipe of the pages, built from their own code blocks in a temporary place and run there.

A block's title says what becomes of it: ``FILE`` is written, ``FILE: an import`` and ``FILE: a row
in TABLE`` are inserted into a file of the copied package, ``run`` is run.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.pages import ROOT, Block, section
from tests.small_set import write_small_set

DEVELOPING, METHODS = ROOT / "docs" / "developing.md", ROOT / "docs" / "methods.md"
RECIPES = ("Add a method", "Add a loss", "Add a network", "Add a data set")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, and a small data set where the pages look for it."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "reid_srdl", tmp_path / "reid_srdl", ignore=ignore)
    write_small_set(tmp_path / "data" / "walkers")
    return tmp_path


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_step_of_a_recipe_works(recipe: str, copy: Path) -> None:
    found = section(DEVELOPING, recipe)
    titles = [block.title for block in found]
    assert "run" in titles
    assert all(titles), f"{recipe}: a block without a title is not run"
    follow(found, copy)


def test_the_method_of_ones_own_works(copy: Path) -> None:
    found = [block for block in section(METHODS, "A method of your own") if block.title]
    assert len(found) == 2
    follow(found, copy)
    assert (copy / "runs" / "born-again" / "record.json").is_file()


def follow(found: Sequence[Block], place: Path) -> None:
    """Does what each block says, in their order."""
    for block in found:
        file, _, how = block.title.partition(": ")
        if block.title == "run":
            for line in block.text.splitlines():
                run(line, place)
        elif how:
            insert(place / file, how, block.text)
        else:
            write(place / file, block.text)
            if Path(file).name.startswith("test_"):
                run(f"python -m pytest -q -p no:cacheprovider {file}", place)


def write(file: Path, text: str) -> None:
    """Writes a new file."""
    assert not file.exists(), f"{file.name} is there already"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def insert(file: Path, how: str, text: str) -> None:
    """Puts an import below the others, or a row at a table's beginning."""
    before = "from __future__ import annotations" if how == "an import" else f"\n{how.split()[-1]}:"
    head, found, rest = file.read_text().partition(before)
    assert found, f"{file.name} has no {before!r}"
    line, _, rest = rest.partition("\n")
    file.write_text(f"{head}{found}{line}\n{text}{rest}")


def run(line: str, place: Path) -> None:
    """Runs a command line against the copied package; a failure shows what it printed."""
    command = shlex.split(line)
    module = ["-m", "reid_srdl"] if command[0] == "reid-srdl" else []
    own = {"PYTHONPATH": str(place), "REID_SRDL_CACHE": str(place / "cache")}
    done = subprocess.run(
        [sys.executable, *module, *command[1:]],
        cwd=place,
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
