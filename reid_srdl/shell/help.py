"""Commands that draw their help as `report.help` does."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from reid_srdl.report.help import first_paragraph, help_text
from reid_srdl.shell.forms import with_both

_F = TypeVar("_F", bound=Callable[..., Any])


def _methods() -> str:
    from reid_srdl.methods import METHODS

    *names, last = METHODS
    return f"{', '.join(names)} or {last}"


def _recipes() -> str:
    from reid_srdl.config.recipe import recipe_files

    return ", ".join(recipe_files())


# What a help text names in braces is filled in when the help is shown.
_FILLED: dict[str, Callable[[], str]] = {"{methods}": _methods, "{recipes}": _recipes}


class _Drawn:
    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help."""
        formatter.write(_help(self, ctx))


class Command(_Drawn, TyperCommand):
    """A command whose help is drawn here."""


class AloneCommand(Command):
    """A command that is for one process."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command.

        Raises:
            UserError: torchrun started several processes, of which each would do the same.
        """
        if "TORCHELASTIC_RUN_ID" in os.environ:
            from reid_srdl.group.processes import check_alone

            check_alone(ctx.command_path)
        return super().invoke(ctx)


class Group(_Drawn, TyperGroup):
    """A group of commands whose help is drawn here."""


class App(typer.Typer):
    """A Typer whose group and commands draw their help as above."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(cls=Group, no_args_is_help=True, **settings)

    def command(
        self, name: str | None = None, *, shared: bool = False, **settings: Any
    ) -> Callable[[_F], _F]:
        """Registers a command; one that prints a result takes ``--json`` and ``--format``.

        Args:
            name: by default the function's.
            shared: several processes do it together.
            settings: as Typer has them.
        """
        register = super().command(name, cls=Command if shared else AloneCommand, **settings)

        def registered(function: _F) -> _F:
            register(with_both(function))
            return function

        return registered


def _help(command: Any, ctx: Any) -> str:
    found = _groups(command, ctx)
    groups = {typer.style(title, bold=True): rows for title, rows in found.items()}
    return help_text(ctx.get_usage(), command.help or "", groups, command.epilog or "")


def _groups(command: Any, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """Returns (name, help) of arguments, options and commands by the title they stand under."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
            title = getattr(parameter, "rich_help_panel", None) or kind
            groups.setdefault(title, []).append((record[0], _filled(record[1])))
    general = groups.pop("Options", [])
    if isinstance(command, TyperGroup):
        members = {name: command.get_command(ctx, name) for name in command.list_commands(ctx)}
        groups["Commands"] = [
            (name, first_paragraph(one.help or ""))
            for name, one in members.items()
            if one is not None and not one.hidden
        ]
    return {**groups, "Options" if not groups else "General": general} if general else groups


def _filled(text: str) -> str:
    for name, fill in _FILLED.items():
        if name in text:
            text = text.replace(name, fill())
    return " ".join(text.split())
