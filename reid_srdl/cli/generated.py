"""Options that are made from the schema: a key that is marked there is an option here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from reid_srdl.config.option import PANELS, Option
from reid_srdl.config.schema import AnyConfig
from reid_srdl.config.section import Section, default_of, keys_of
from reid_srdl.config.tree import place

Command = Literal["train", "eval"]
_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


@dataclass(frozen=True)
class Marked:
    """A key that is an option of a command."""

    key: str
    field: FieldInfo
    option: Option

    @property
    def parameter(self) -> str:
        """The name of the command's parameter: ``rerank_k1`` for ``--rerank-k1``."""
        return self.option.flag.removeprefix("--").replace("-", "_")


def marked(command: Command, schema: type[Section] = AnyConfig) -> Iterator[Marked]:
    """Yields the keys that are options of a command."""
    for key, field in keys_of(schema):
        for mark in field.metadata:
            if isinstance(mark, Option) and mark.command == command:
                yield Marked(key, field, mark)


def flags(command: Command) -> dict[str, str]:
    """Returns the options of a command by key: ``{"eval.rerank.k1": "--rerank-k1"}``."""
    return {one.key: one.option.flag for one in marked(command)}


def section(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns what was given of a section, nested as there.

    >>> section({"eval.rerank.k1": 9, "data.name": "viper"}, "eval")
    {'rerank': {'k1': 9}}
    """
    tree: dict[str, Any] = {}
    for key, value in given.items():
        if key.startswith(f"{name}."):
            place(tree, key.removeprefix(f"{name}."), value)
    return tree


def with_options(
    command: Command,
    *,
    only: Mapping[str, str] | None = None,
    default: str = "{default}",
    schema: type[Section] = AnyConfig,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a function the options that the schema marks for a command.

    The function's first parameter gets what was given, by key; its others are options and
    arguments of its own. Values are read as the key's type; the schema says whether they may be.

    Args:
        command: whose options.
        only: these keys' alone, with the heading that each stands under.
        default: what ``{default}`` in their help becomes, e.g. ``the run's own, or {default}``.
        schema: where the keys are marked.
    """
    found = [one for one in marked(command, schema) if only is None or one.key in only]

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        made = [_parameter(one, (only or {}).get(one.key), default) for one in found]
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = sorted([*made, *(one.replace(kind=keyword) for one in own)], key=_place)

        def run(**values: Any) -> None:
            given = {one.key: values.pop(one.parameter) for one in found}
            function({key: value for key, value in given.items() if value is not None}, **values)

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


def _parameter(one: Marked, panel: str | None, default: str) -> inspect.Parameter:
    option, kind = one.option, _kind(one.field)
    text = option.help.replace("{default}", default)
    made = typer.Option(
        option.flags,
        metavar=None if kind is bool else _metavar(one, kind),
        rich_help_panel=panel or option.panel,
        show_default=False,
        help=text.replace("{default}", _shown_default(one)),
    )
    read = kind if kind in (bool, int, float, Path) else str
    return inspect.Parameter(
        one.parameter,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[read | None, made],
    )


def _kind(field: FieldInfo) -> Any:
    """Returns a key's type, without ``None``."""
    kind: Any = field.annotation
    if get_origin(kind) is not Literal:
        kind = next((part for part in get_args(kind) if part is not type(None)), kind)
    return kind


def _metavar(one: Marked, kind: Any) -> str:
    """Says what may be given: choices, or a type and its range."""
    name = one.option.metavar or getattr(kind, "__name__", "str").lower()
    if get_origin(kind) is Literal:
        name = "|".join(get_args(kind))
    bounds = [
        f"x{sign}{getattr(mark, bound):g}"
        for mark in one.field.metadata
        for bound, sign in _BOUNDS.items()
        if hasattr(mark, bound)
    ]
    plain = name if one.option.metavar else f"<{name}>"
    return f"{plain} [{', '.join(bounds)}]" if bounds else plain


def _shown_default(one: Marked) -> str:
    value = default_of(one.field)
    if isinstance(value, bool):
        return one.option.flags.split("/")[0 if value else 1].removeprefix("--")
    return f"{value:g}" if isinstance(value, float) else str(value)
