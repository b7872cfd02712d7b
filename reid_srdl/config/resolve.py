"""From a tree of keys to a validated configuration. All its errors are told at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from reid_srdl.config.effects import Contradiction, contradictions
from reid_srdl.config.hints import as_assignment, as_option, below, mended, way_out
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

    >>> from reid_srdl import OPTIONS
    >>> resolve({"optim": {"lr": 0.05}}, OPTIONS).optim.lr
    0.05
    """
    problems: list[_Problem] = []
    for section, known in {"method": methods, **(names or {})}.items():
        name = _name(tree, section)
        if isinstance(name, str) and name not in known:
            what = f"{section}.name: no such {section} {name!r}"
            way = did_you_mean(name, known)
            if section == "method" and name.endswith(".py"):
                way = f"write {name}:NAME, NAME being the Method in it"
            problems.append(_Problem(what, f"{section}.name: {way}"))
    name = _name(tree, "method") or "srdl"
    known_method = isinstance(name, str) and name in methods
    options = methods[name] if known_method else MethodOptions
    try:
        config: AnyConfig = Config[options].model_validate({"method": {}, **tree})  # type: ignore[valid-type]
    except ValidationError as error:
        found = _problems(error, _fields(options), _by_set, tree=tree)
        # Options of a method that is not known are not told to be unknown, too.
        problems += [one for one in found if known_method or not one.unknown_option]
    if problems:
        raise _told(problems)
    _check_together(contradictions(config), _by_set)
    return config


def changed(
    section: S, changes: Mapping[str, Any], path: str, *, elsewhere: Collection[str] = ()
) -> S:
    """Returns a section with keys of it changed, and what their ``rules`` imply.

    Args:
        section: any section, e.g. a run's ``eval``.
        changes: its keys, nested as in YAML.
        path: what messages call the section, e.g. ``eval``.
        elsewhere: keys that are read though the section itself does not switch them on.

    Raises:
        UserError: one line for every key that is unknown, of a wrong type or out of range, that
            contradicts another one, or that nothing would read.
    """
    tree = merge(section.model_dump(), with_rules(changes))
    fields = dict(keys_of(type(section), f"{path}."))

    def way(key: str, value: Any) -> str:
        return as_option(key, fields[key], value) if key in fields else _by_set(key, value)

    try:
        made = type(section).model_validate(tree)
    except ValidationError as error:
        raise _told(_problems(error, fields, way, path)) from None
    given = {f"{path}.{key}" for key in _paths(changes)} - {f"{path}.{key}" for key in elsewhere}
    _check_together(
        contradictions(made, f"{path}.", lambda key, value, field: key in given),
        way,
    )
    return made


def known_keys(options: type[MethodOptions]) -> list[str]:
    """Returns every path of the schema, with the method's own options."""
    return list(_fields(options))


def _fields(options: type[MethodOptions]) -> dict[str, FieldInfo]:
    return dict(keys_of(Config[options]))  # type: ignore[valid-type]


def _paths(tree: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{above}{key}.")
        else:
            yield above + key


def _check_together(found: Iterable[Contradiction], way: Callable[[str, Any], str]) -> None:
    """Raises what does not go together, each with what mends it."""
    problems = []
    for one in found:
        ways = [] if one.change is None else [f"add {way(*one.change)}"]
        ways += [f"leave {one.key} out"] if one.unread or not ways else []
        problems.append(_Problem(f"{one.key}: {one.what}", ", or ".join(ways)))
    if problems:
        raise _told(problems)


def _by_set(key: str, value: Any) -> str:
    return f"--set {as_assignment(key, value)}"


def _name(tree: Mapping[str, Any], section: str) -> Any:
    keys = tree.get(section)
    return keys.get("name") if isinstance(keys, Mapping) else None


def _problems(
    error: ValidationError,
    fields: Mapping[str, FieldInfo],
    way: Callable[[str, Any], str],
    above: str = "",
    tree: Mapping[str, Any] | None = None,
) -> list[_Problem]:
    found, keys = [], list(fields)
    for path, item in _by_key(error, fields, above):
        unknown = item["type"] == "extra_forbidden"
        if unknown:
            what, hint = "no such key", way_out(path, keys)
        elif item["type"] == "model_type":
            what, hint = f"a section, not a value (got {shown(item['input'])})", below(path, keys)
        else:
            what = item["msg"].removeprefix("Value error, ")
            if item["type"] != "missing":
                what = f"{what} (got {shown(item['input'])})"
            hint = mended(path, item, fields, tree or {}, way)
        option = unknown and path.startswith("method.")
        found.append(_Problem(f"{path}: {what}", f"{path}: {hint}", option))
    return found


def _by_key(
    error: ValidationError, fields: Collection[str], above: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields what pydantic says by path; of a key that may be of several types, all at once."""
    found: dict[str, dict[str, Any]] = {}
    for item in error.errors():
        parts = [*([above] if above else []), *map(str, item["loc"])]
        ends = (".".join(parts[:count]) for count in range(1, len(parts)))
        # What stands behind a key is a type of it, or a place in it.
        path = next((end for end in ends if end in fields), "")
        if path and item["type"] == "missing":
            item = {**item, "type": "too_short", "msg": "a value is missing"}
        path = path or ".".join(parts)
        before = found.get(path, {"msg": ""})["msg"].split("; or: ")
        told = dict.fromkeys(filter(None, (*before, item["msg"])))
        found[path] = {**item, "msg": "; or: ".join(told)}
    yield from found.items()


def _told(problems: Sequence[_Problem]) -> UserError:
    whats = "; ".join(problem.what for problem in problems)
    hints = dict.fromkeys(problem.hint for problem in problems)
    return UserError(whats, "; ".join(hints), usage=True)
