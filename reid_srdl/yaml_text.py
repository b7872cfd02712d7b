"""YAML that strangers wrote, or a person on the command line: read without trust."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from reid_srdl.errors import UserError
from reid_srdl.texts import shown

_MOST_NODES, _MOST_DEPTH = 100_000, 50


def read_yaml_text(text: str, where: str, hint: str = "mend its syntax") -> Any:
    """Reads YAML that a stranger may have written; nothing in it is executed.

    Args:
        text: the YAML.
        where: what errors name, e.g. the file's path or ``--set KEY=VALUE``.
        hint: what to do where it is not valid.

    Raises:
        UserError: not YAML, a value that does not exist (a 31st of June), a number beyond 64 bits,
            a character that no file name may hold, or nested or repeated beyond reason.
    """
    try:
        value = yaml.safe_load(text)
    except RecursionError:
        raise UserError(f"{where}: nested too deeply", hint, usage=True) from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise UserError(f"{where}: not valid YAML{_reason(error)}", hint, usage=True) from None
    if problem := _problem(value):
        raise UserError(f"{where}: {problem}", hint, usage=True)
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f" (line {error.problem_mark.line + 1}: {shown(error.problem or '')})"
    if isinstance(error, yaml.reader.ReaderError):
        return f" (character {error.character:#x} at {error.position})"
    return f" ({shown(str(error))})" if isinstance(error, ValueError) else ""


def _problem(value: Any) -> str | None:
    """Says what is wrong with a tree; what aliases repeat counts as often as it stands there."""
    left, nodes = [(value, 0)], 0
    while left:
        node, depth = left.pop()
        nodes += 1
        if depth > _MOST_DEPTH:
            return "nested too deeply"
        if nodes > _MOST_NODES:
            return f"more than {_MOST_NODES:,} values"
        if isinstance(node, int) and abs(node) >= 2**63:
            return "a number of more than 64 bits"
        if isinstance(node, str) and re.search("[\0\ud800-\udfff]", node):
            return f"{shown(node)}: holds a character that no text may hold"
        if isinstance(node, Mapping):
            left += [(part, depth + 1) for pair in node.items() for part in pair]
        elif isinstance(node, list | tuple | set):
            left += [(part, depth + 1) for part in node]
    return None
