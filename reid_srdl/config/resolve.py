"""From a tree of keys to a validated configuration. All its errors are told at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from reid_srdl.config.hints import below, way_out
from reid_srdl.config.method import MethodOptions
from reid_srdl.config.protocol import with_rules
from reid_srdl.config.schema import AnyConfig, Config
from reid_srdl.config.section import Section, keys_of
from reid_srdl.config.tree import merge
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.texts import shown

S = TypeVar("S", bound=Section)


class _Problem(NamedTuple):
    """What is wrong, what to do, and whether it is an option that the method has not."""

    what: str
    hint: str
    unknown_option: bool = False


def resolve(
    tree: Mapping[str, Any],
    methods: Mapping[str, type[MethodOptions]],
    *,
    names: Mapping[str, Iterable[str]] | None = None,
) -> AnyConfig:
    """Validates a tree of keys into a configuration.

    Args:
        tree: sections of keys, as read from YAML with options laid over.
        methods: the options class of each training strategy.
        names: what ``data.name`` and ``model.name`` may be, as ``{"data": [...], "model": [...]}``.

    Raises:
        UserError: one line for every key that is unknown, of a wrong type or out of range.
    """
    problems: list[_Problem] = []
    for section, known in {"method": methods, **(names or {})}.items():
        name = _name(tree, section)
        if name is not None and name not in known:
            what = f"{section}.name: no such {section} {name!r}"
            problems.append(_Problem(what, f"{section}.name: {did_you_mean(str(name), known)}"))
    name = _name(tree, "method") or "srdl"
    known_method = isinstance(name, str) and name in methods
    options = methods[name] if known_method else MethodOptions
    try:
        config: AnyConfig = Config[options].model_validate({"method": {}, **tree})  # type: ignore[valid-type]
    except ValidationError as error:
        found = _problems(error, known_keys(options))
        # Options of a method that is not known are not told to be unknown, too.
        problems += [one for one in found if known_method or not one.unknown_option]
    if problems:
        raise _told(problems)
    return config


def changed(section: S, changes: Mapping[str, Any], path: str) -> S:
    """Returns a section with keys of it changed, and what their ``rules`` imply.

    Args:
        section: any section, e.g. a run's ``eval``.
        changes: its keys, nested as in YAML.
        path: what messages call the section, e.g. ``eval``.

    Raises:
        UserError: one line for every key that is unknown, of a wrong type or out of range.
    """
    tree = merge(section.model_dump(), with_rules(changes))
    try:
        return type(section).model_validate(tree)
    except ValidationError as error:
        keys = [key for key, _ in keys_of(type(section), f"{path}.")]
        raise _told(_problems(error, keys, path)) from None


def known_keys(options: type[MethodOptions]) -> list[str]:
    """Returns every path of the schema, with the method's own options."""
    return [path for path, _ in keys_of(Config[options])]  # type: ignore[valid-type]


def _name(tree: Mapping[str, Any], section: str) -> Any:
    keys = tree.get(section)
    return keys.get("name") if isinstance(keys, Mapping) else None


def _problems(error: ValidationError, keys: Sequence[str], above: str = "") -> list[_Problem]:
    found = []
    for item in error.errors():
        path = ".".join(str(part) for part in (*([above] if above else []), *item["loc"]))
        unknown = item["type"] == "extra_forbidden"
        if unknown:
            what, hint = "no such key", way_out(path, keys)
        elif item["type"] == "model_type":
            what, hint = f"a section, not a value (got {shown(item['input'])})", below(path, keys)
        else:
            what, hint = f"{item['msg']} (got {shown(item['input'])})", "mend the value"
        option = unknown and path.startswith("method.")
        found.append(_Problem(f"{path}: {what}", f"{path}: {hint}", option))
    return found


def _told(problems: Sequence[_Problem]) -> UserError:
    whats = "; ".join(problem.what for problem in problems)
    hints = dict.fromkeys(problem.hint for problem in problems)
    return UserError(whats, "; ".join(hints), usage=True)
