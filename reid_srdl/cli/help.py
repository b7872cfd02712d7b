"""The help of commands: options in groups, and no word cut at any width."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from reid_srdl.report.wrapping import beside, wrapped

_F = TypeVar("_F", bound=Callable[..., Any])
_WIDEST = 100  # columns; longer lines are hard to read
_WIDEST_LEFT = 26


def _methods() -> str:
    from reid_srdl.methods import METHODS

    *names, last = METHODS
    return f"{', '.join(names)} or {last}"


# What a help text names in braces is filled in when the help is shown.
_FILLED: dict[str, Callable[[], str]] = {"{methods}": _methods}


class Command(TyperCommand):
    """A command whose help is written here."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help."""
        formatter.write(_help(self, ctx))


class Group(TyperGroup):
    """A group of commands whose help is written here."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help."""
        formatter.write(_help(self, ctx))


class App(typer.Typer):
    """A Typer whose group and commands write their help as above."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(cls=Group, no_args_is_help=True, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[_F], _F]:
        """Registers a command."""
        return super().command(name, cls=Command, **settings)


def _help(command: Any, ctx: Any) -> str:
    width = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
    lines = [*wrapped(" ".join(ctx.get_usage().split()), width), ""]
    lines += _paragraphs(command.help or "", width)
    for title, rows in _groups(command, ctx).items():
        lines.append(typer.style(title, bold=True))
        column = min(max(len(left) for left, _ in rows), _WIDEST_LEFT) + 4
        for left, right in rows:
            lines += beside(f"  {left}", right, column, width)
        lines.append("")
    for example in (command.epilog or "").split("   |   "):
        lines += wrapped(" ".join(example.split()), width) if example else ()
    return "\n".join(lines).rstrip()


def _paragraphs(text: str, width: int) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        yield from wrapped(" ".join(paragraph.split()), width)
        yield ""


def _groups(command: Any, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """Returns (name, help) of arguments, options and commands by the title they stand under."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
        title = getattr(parameter, "rich_help_panel", None) or kind
        groups.setdefault(title, []).append((record[0], _filled(record[1])))
    general = groups.pop("Options", [])
    if isinstance(command, TyperGroup):
        members = ((name, command.get_command(ctx, name)) for name in command.list_commands(ctx))
        groups["Commands"] = [
            (name, " ".join(inspect.cleandoc(one.help or "").split("\n\n")[0].split()))
            for name, one in members
            if one is not None and not one.hidden
        ]
    return {**groups, "Options" if not groups else "General": general} if general else groups


def _filled(text: str) -> str:
    for name, fill in _FILLED.items():
        if name in text:
            text = text.replace(name, fill())
    return " ".join(text.split())
