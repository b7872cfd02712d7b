"""The mark that makes a key of the schema an option of a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WHAT, HOW, WHERE = "What is trained", "How it is trained", "Where"  # of train
TESTED, RULES, CHANGES = "What is evaluated", "Rules", "Re-ranking and query expansion"  # of eval
ENGINE, OUTPUT = "Engine", "Output"
QUEUE = "On SLURM"  # of commands that send runs there
PANELS = (WHAT, HOW, WHERE, QUEUE, TESTED, RULES, CHANGES, ENGINE, OUTPUT)  # in the order of --help


@dataclass(frozen=True)
class Option:
    """Makes a key an option: ``Annotated[int, Option("--epochs", panel=HOW, help="...")]``.

    The option's type, choices and range are the key's own, and the schema checks its value.

    Attributes:
        flags: its name, ``--on/--off`` for a key that is true or false.
        help: what ``--help`` says; ``{default}`` stands for the schema's default.
        panel: under which heading.
        command: of which command; one that shares options of ``eval`` names their keys.
        metavar: what stands for the value in ``--help``; by default type, choices, range.
        many: it may be repeated; the command gets a list.
    """

    flags: str
    help: str
    panel: str
    command: Literal["train", "eval"] = "train"
    metavar: str | None = None
    many: bool = False

    @property
    def flag(self) -> str:
        """The name that messages use."""
        return self.flags.split("/")[0]


@dataclass(frozen=True)
class OrWord:
    """Says that a key of a number takes a word, too, so that a hint can name it."""

    word: str
