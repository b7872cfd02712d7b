"""Numbers 14, 18 and 22: each command and option that a message names is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import reid_srdl
from reid_srdl.cli import app

PACKAGE = Path(reid_srdl.__file__).parent
ELSEWHERE = {"--help", "--version", "--debug", "--local-addr", "--nproc-per-node"}  # torchrun's
SLURM = "--allocations --array --cpus-per-task --format --jobs --me --name --noheader --parsable2"
ELSEWHERE |= {*SLURM.split(), "--states"}  # of squeue, sacct, srun and scancel
PROSE = {"wrote", "again", "to"}  # "a file that reid-srdl wrote"
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
COMMAND = re.compile(r"reid-srdl ((?:[a-z][a-z-]+)(?: [a-z][a-z-]+)?)")


def texts() -> Iterator[tuple[Path, str]]:
    """Every text in the package but docstrings; what is filled in reads ``X``."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        plain = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", "X") for part in node.values)
                yield path, "".join(part if isinstance(part, str) else "X" for part in parts)
            elif isinstance(node, ast.Constant) and id(node) not in plain:
                yield path, str(node.value)


def commands(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield above + name, command
        if hasattr(command, "commands"):
            yield from commands(command, f"{above}{name} ")


KNOWN: dict[str, Any] = dict(commands(typer.main.get_command(app)))


def test_every_option_that_a_message_names_is_one_of_a_command() -> None:
    there = {
        option
        for command in KNOWN.values()
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert {"--set", "--from", "--repair", "--data-dir"} <= there
    unknown = {
        (path.name, option)
        for path, text in texts()
        for option in OPTION.findall(text)
        if option not in there | ELSEWHERE
    }
    assert unknown == set()


def test_every_command_that_a_message_names_is_there() -> None:
    found = {(path.name, words) for path, text in texts() for words in COMMAND.findall(text)}
    assert len(found) > 8
    unknown = {
        (name, words) for name, words in found if words.split(" ")[0] not in KNOWN.keys() | PROSE
    }
    assert unknown == set()
