"""YAML that strangers wrote, or a person on the command line: read without trust."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from reid_srdl.errors import UserError
from reid_srdl.texts import shown

_MOST_NODES, _MOST_DEPTH = 100_000, 50
# Read by YAML 1.1 as octal and as base 60, which is hardly ever meant.
_SURPRISING = re.compile(r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")


class _Loader(yaml.SafeLoader):
    """Refuses what YAML would take in silence, and mean something else by."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        """Refuses a key that stands twice: the first one would count for nothing."""
        seen = set()
        for key_node, _ in node.value:
            key = (key_node.tag, key_node.value)
            if isinstance(key_node, yaml.ScalarNode):
                if key in seen and key_node.value != "<<":
                    told = f"the key {key_node.value!r} stands twice"
                    raise yaml.constructor.ConstructorError(None, None, told, key_node.start_mark)
                seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """Refuses a number that YAML reads otherwise than people do."""
        if _SURPRISING.fullmatch(node.value):
            told = f"{node.value}: write a plain decimal number, or a text in quotes"
            raise yaml.constructor.ConstructorError(None, None, told, node.start_mark)
        if node.tag.endswith(":int"):
            return int(self.construct_yaml_int(node))
        return float(self.construct_yaml_float(node))


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_number)


def read_yaml_text(text: str, where: str, hint: str = "mend its syntax") -> Any:
    """Reads YAML that a stranger may have written; nothing in it is executed.

    Args:
        text: the YAML.
        where: what errors name, e.g. the file's path or ``--set KEY=VALUE``.
        hint: what to do where it is not valid.

    Raises:
        UserError: not YAML, a key that stands twice, a value that does not exist (a 31st of June),
            a number beyond 64 bits or in a notation of its own, a character that no file name may
            hold, or nested or repeated beyond reason.
    """
    try:
        value = yaml.load(text, _Loader)
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
