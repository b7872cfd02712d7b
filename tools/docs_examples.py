"""For tools/docs: fences the doctests of docstrings, which Markdown would take for quotations."""

from __future__ import annotations

import re
from typing import Any

from griffe import Docstring, Extension, Object

_DOCTEST = re.compile(r"^(?P<indent> *)>>> .*(?:\n(?! *$).+)*", re.MULTILINE)


def fenced(text: str) -> str:
    """Returns a docstring whose doctests stand in fences."""

    def fence(found: re.Match[str]) -> str:
        indent = found["indent"]
        return f"{indent}```pycon\n{found[0]}\n{indent}```"

    return _DOCTEST.sub(fence, text)


class FencedExamples(Extension):
    """Fences the doctests of everything that griffe reads."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Changes one docstring; sections called Examples are fenced by griffe itself."""
        doc: Docstring | None = obj.docstring
        if doc is not None and "Examples:" not in doc.value:
            doc.value = fenced(doc.value)
