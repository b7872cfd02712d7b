"""Options that are made from the schema: a key that is marked there is an option here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from reid_srdl.config.marked import Command, CommandLine, Marked, marked
from reid_srdl.config.option import PANELS
from reid_srdl.config.schema import AnyConfig
from reid_srdl.config.section import Section


def with_options(
    command: Command,
    *,
    only: Mapping[str, str] | None = None,
    default: str = "{default}",
    schema: type[Section] = AnyConfig,
    own: type[CommandLine] | None = None,
    hidden: Collection[str] = (),
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a function the options that the schema, and a section of its own, mark for a command.

    The function's first parameter gets what was given, by key; its others are options and
    arguments of its own. Values are read as the key's type; the schema says whether they may be.

    Args:
        command: whose options.
        only: these keys' alone, with the heading that each stands under.
        default: what ``{default}`` in their help becomes, e.g. ``the run's own, or {default}``.
        schema: where the keys are marked.
        own: where options are marked that are no keys; None: there are none.
        hidden: options of ``own`` that the help of another command tells.
    """
    every = [*marked(command, schema), *(marked(command, own) if own else ())]
    found = [one for one in every if only is None or one.key in only]
    borrowed = {one.parameter for one in found if only and "." not in one.key}

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        more = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        panels = only or {}
        made = [
            _parameter(one, panels.get(one.key), default, hidden=one.key in hidden) for one in found
        ]
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [*made, *(one.replace(kind=keyword) for one in more)]
        parameters.sort(key=lambda one: (_place(one), one.name in borrowed))

        def run(**values: Any) -> None:
            given = {one.key: values.pop(one.parameter) for one in found}
            function(
                {key: value for key, value in given.items() if value not in (None, [])}, **values
            )

        run.__name__, run.__doc__ = function.__name__, function.__doc__
        run.__module__ = function.__module__
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return run

    return decorate


def _place(parameter: inspect.Parameter) -> int:
    """Sorts parameters by their panels; arguments, and options of panels of their own, go first."""
    for part in get_args(parameter.annotation):
        if getattr(part, "rich_help_panel", None) in PANELS:
            return PANELS.index(part.rich_help_panel)
    return -1


def _parameter(one: Marked, panel: str | None, default: str, *, hidden: bool) -> inspect.Parameter:
    option, kind = one.option, one.kind
    text = option.help.replace("{default}", default)
    made = typer.Option(
        option.flags,
        metavar=None if kind is bool else one.value,
        rich_help_panel=panel or option.panel,
        show_default=False,
        hidden=hidden,
        help=text.replace("{default}", one.default),
    )
    read: Any = kind if kind in (bool, int, float, Path) else str
    if option.many:
        read = list[read]
    return inspect.Parameter(
        one.parameter,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[read | None, made],
    )
