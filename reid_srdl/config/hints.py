"""The way out of a wrong key: the new name of an old one, or the nearest that there is."""

from __future__ import annotations

import difflib
import json
import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from reid_srdl.config.option import Option, OrWord
from reid_srdl.config.section import default_of
from reid_srdl.errors import did_you_mean

_SPLIT = {"rerank": ("k1", "k2", "lambda"), "expand": ("n", "alpha")}

# Keys that have moved: where they are now. What is a section now held its method's name.
RENAMED = {f"eval.{group}": f"eval.{group}.method" for group in _SPLIT} | {
    f"eval.{group}_{key}": f"eval.{group}.{key}"
    for group, keys in _SPLIT.items()
    for key in ("method", *keys)
}


def way_out(path: str, keys: Sequence[str]) -> str:
    """Suggests the right path for a wrong one, also where only the section is wrong or missing.

    Args:
        path: the wrong path.
        keys: every path of the schema.

    >>> way_out("eval.rerank_k1", [])
    "it is 'eval.rerank.k1' now"
    >>> way_out("lr", ["optim.lr", "train.seed"])
    "did you mean 'optim.lr'?"
    """
    if path in RENAMED:
        return f"it is {RENAMED[path]!r} now"
    section, _, leaf = path.rpartition(".")
    if section == "method":
        return _of_method(leaf, keys)
    leaves = {_leaf(key): key for key in reversed(keys)}
    if not section:
        sections = {key.split(".")[0] for key in keys}
        nearest = leaves.get(path)
        return f"did you mean {nearest!r}?" if nearest else did_you_mean(path, sections)
    leaves |= {_leaf(key): key for key in keys if key.startswith(f"{section}.")}
    if near := difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.6):
        return f"did you mean {leaves[near[0]]!r}?"
    return did_you_mean(path, [key for key in keys if key.startswith(f"{section}.")] or keys)


def _of_method(leaf: str, keys: Sequence[str]) -> str:
    """Suggests an option of the method in use: another method's of a like name would mislead."""
    own = [_leaf(key) for key in keys if key.startswith("method.")]
    if near := difflib.get_close_matches(leaf, own, n=1, cutoff=0.75):
        return f"did you mean 'method.{near[0]}'?"
    own = [name for name in own if name not in ("name", "digest")]
    taken = ", ".join(own) if own else "no options"
    return f"the method in method.name takes {taken}"


def below(path: str, keys: Sequence[str]) -> str:
    """Says which keys a section has, to whoever gave it a plain value."""
    if path in RENAMED:
        return f"it is {RENAMED[path]!r} now"
    own = [key for key in keys if key.startswith(f"{path}.")]
    return f"it holds keys: {', '.join(own)}"


def mended(
    path: str,
    problem: Mapping[str, Any],
    fields: Mapping[str, FieldInfo],
    tree: Mapping[str, Any],
    way: Callable[[str, Any], str],
) -> str:
    """Suggests a value in place of a wrong one, as an option that may be given.

    Args:
        path: the key.
        problem: what pydantic says of its value.
        fields: every key of the schema.
        tree: what was given.
        way: how a key is given a value.
    """
    if path == "optim.milestones" and (fractions := _of_epochs(problem["input"], tree)):
        return f"mend the value: {way(path, fractions)}"
    if problem["type"] == "missing" and path in fields:
        return f"give it: --set {path}=VALUE"
    value = default_of(fields[path]) if path in fields else None
    listed = problem["type"] == "tuple_type" and isinstance(problem["input"], str)
    if listed and (value == () or not isinstance(value, tuple)):  # else a list of numbers
        return f"did you mean {way(path, [problem['input']])}?"
    if path in fields and (word := _word_meant(problem, fields[path])):
        return f"did you mean {way(path, word)}?"
    if value is None or value is PydanticUndefined:
        bounds = problem.get("ctx", {})
        value = bounds.get("ge", bounds.get("le"))
    if value is None:
        return "mend the value, or leave it out"
    return f"mend the value, e.g. {way(path, value)}"


def as_assignment(path: str, value: Any) -> str:
    """Returns what ``--set`` takes, quoted for a shell.

    >>> as_assignment("optim.nesterov", False), as_assignment("optim.milestones", (0.5, 0.75))
    ('optim.nesterov=false', "'optim.milestones=[0.5, 0.75]'")
    """
    plain = to_jsonable_python(value)
    return shlex.quote(f"{path}={plain if isinstance(plain, str) else json.dumps(plain)}")


def as_option(path: str, field: FieldInfo, value: Any) -> str:
    """Returns the option of a key with a value, as commands without ``--set`` take it."""
    marks = [mark for mark in field.metadata if isinstance(mark, Option)]
    flag = next((mark.flag for mark in marks if mark.command == "eval"), None)
    if flag is None:
        return f"--set {as_assignment(path, value)}"
    return flag if value is True else f"{flag} {value}"


def _word_meant(problem: Mapping[str, Any], field: FieldInfo) -> str | None:
    """Returns the word that was misspelt, of a key that takes certain words; else None."""
    given, words = problem["input"], [m.word for m in field.metadata if isinstance(m, OrWord)]
    if not isinstance(given, str):
        return None
    if problem["type"] == "literal_error":
        words += re.findall(r"'([^']*)'", problem["ctx"]["expected"])
    return next(iter(difflib.get_close_matches(given.lower(), words, n=1, cutoff=0.6)), None)


def _of_epochs(given: Any, tree: Mapping[str, Any]) -> list[float] | None:
    """Returns milestones in epochs, as published recipes have them, as fractions; else None."""
    if not isinstance(given, list | tuple) or not given:
        return None
    if not all(type(at) in (int, float) and 1 <= at < math.inf for at in given):
        return None
    train = tree.get("train")
    epochs = train.get("epochs") if isinstance(train, Mapping) else None
    total = epochs if isinstance(epochs, int) and epochs > max(given) else 1.25 * max(given)
    fractions = sorted({round(at / total, 4) for at in given})
    return fractions if fractions[-1] < 1 else None


def _leaf(key: str) -> str:
    return key.rpartition(".")[2]
