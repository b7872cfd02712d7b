"""The keys of the schema that are marked as options of a command."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args, get_origin

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo

from reid_srdl.config.option import Option
from reid_srdl.config.schema import AnyConfig
from reid_srdl.config.section import Section, default_of, keys_of
from reid_srdl.config.tree import place
from reid_srdl.errors import UserError

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
        name = self.option.flag.removeprefix("--").replace("-", "_")
        return f"{name}_" if keyword.iskeyword(name) else name

    @property
    def kind(self) -> Any:
        """The key's type, without ``None``."""
        kind: Any = self.field.annotation
        if get_origin(kind) is not Literal:
            kind = next((part for part in get_args(kind) if part is not type(None)), kind)
        return kind

    @property
    def value(self) -> str:
        """What may be given, for ``--help``: choices, or a type and its range."""
        name = self.option.metavar or getattr(self.kind, "__name__", "str").lower()
        if get_origin(self.kind) is Literal and not self.option.metavar:
            name = "|".join(get_args(self.kind))
        bounds = [
            f"x{sign}{getattr(mark, bound):g}"
            for mark in self.field.metadata
            for bound, sign in _BOUNDS.items()
            if hasattr(mark, bound)
        ]
        plain = name if self.option.metavar else f"<{name}>"
        return f"{plain} [{', '.join(bounds)}]" if bounds else plain

    @property
    def default(self) -> str:
        """The schema's default as an option is written: ``0.1``, ``no-flip``."""
        value = default_of(self.field)
        if isinstance(value, bool):
            return self.option.flags.split("/")[0 if value else -1].removeprefix("--")
        return f"{value:g}" if isinstance(value, float) else str(value)


def marked(command: Command, schema: type[Section] = AnyConfig) -> Iterator[Marked]:
    """Yields the keys that are options of a command."""
    for key, field in keys_of(schema):
        for mark in field.metadata:
            if isinstance(mark, Option) and mark.command == command:
                yield Marked(key, field, mark)


def flags(command: Command, schema: type[Section] = AnyConfig) -> dict[str, str]:
    """Returns the options of a command by key: ``{"eval.rerank.k1": "--rerank-k1"}``."""
    return {one.key: one.option.flag for one in marked(command, schema)}


class CommandLine(Section):
    """What a command line asks for; its other marked fields are options that are no keys.

    Attributes:
        given: the keys of the configuration that were given.
    """

    given: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, command: Command, given: Mapping[str, Any]) -> Self:
        """Sorts what a command was given into keys of the configuration and fields.

        Raises:
            UserError: a field's value is out of its range.
        """
        own = {key: value for key, value in given.items() if key in cls.model_fields}
        keys = {key: value for key, value in given.items() if key not in own}
        try:
            return cls(given=keys, **own)
        except ValidationError as error:
            (wrong, *_), flag = error.errors(), flags(command, cls)
            what = f"{flag[str(wrong['loc'][0])]}: {wrong['msg']} (got {wrong['input']})"
            raise UserError(
                what, "the command's --help says what may be given", usage=True
            ) from None

    @classmethod
    def options(cls, command: Command) -> dict[str, str]:
        """Returns all options of the command by key or field."""
        return {**flags(command), **flags(command, cls)}

    def named(self, command: Command) -> set[str]:
        """Returns the names of the options that were given, and are not as they are anyway."""
        own = [
            one.key
            for one in marked(command, type(self))
            if getattr(self, one.key) != default_of(one.field)
        ]
        known = self.options(command)
        return {known[key] for key in (*self.given, *own)}


def as_keys(text: str) -> str:
    """Returns words about options of ``eval`` as ``train`` takes them: by ``--set``.

    >>> as_keys("add --normalize or --distance cosine, or choose --expand-n from 1 to 9")
    'add --set eval.normalize=on or --set eval.distance=cosine, or choose eval.expand.n from 1 to 9'
    """
    options = {one.option.flag: one for one in marked("eval") if one.key.startswith("eval.")}

    def keyed(found: re.Match[str]) -> str:
        one = options.get(found["flag"])
        if one is None:
            return found[0]
        if one.kind is bool:
            return f"--set {one.key}=on{found['rest']}"
        value = found["rest"].strip()
        if value in get_args(one.kind) or value.isdecimal():
            return f"--set {one.key}={value}"
        return f"{one.key}{found['rest']}"

    return re.sub(r"(?P<flag>--[a-z][a-z0-9-]*)(?P<rest>(?: [\w-]+)?)", keyed, text)


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
