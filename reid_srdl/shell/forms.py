"""How a command answers: what prints a result takes ``--json`` and ``--format json`` alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, get_args

from reid_srdl.config.option import OUTPUT
from reid_srdl.errors import UserError
from reid_srdl.report.formats import Format
from reid_srdl.shell.options import FORM, PlainJson, option


class Brief(StrEnum):
    """How a result is printed that is no table of runs."""

    TABLE = "table"
    JSON = "json"


_BRIEF = option(OUTPUT, "json: as --json.", flags=FORM)


def with_both(function: Callable[..., None]) -> Callable[..., None]:
    """Gives a command that has ``json`` a ``--format`` as well, and one that has ``form`` a --json.

    The function is told once: ``json`` or ``form`` as it was asked for by either.
    """
    own = inspect.signature(function, eval_str=True).parameters
    if "json" in own:
        asked, more = "json", _keyword("form", Annotated[Brief | None, _BRIEF], None)
    elif "form" in own:
        asked, more = "form", _keyword("json", PlainJson, False)
    else:
        return function
    # Without a default of its own, a table that was asked for beside --json is told from none.
    parameters = [
        one.replace(default=None, annotation=_optional(one.annotation)) if name == "form" else one
        for name, one in own.items()
    ]

    def run(**values: Any) -> None:
        json, form = values.pop("json"), values.pop("form")
        if json and form not in (None, "json"):
            what = f"--json and --format {form.value}: two forms"
            raise UserError(what, "give one of them", usage=True)
        if asked == "json":
            function(**values, json=json or form == Brief.JSON)
        else:
            function(**values, form=Format.JSON if json else form or own["form"].default)

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    run.__module__ = function.__module__
    whole = [*parameters, more]
    run.__annotations__ = {one.name: one.annotation for one in whole}
    run.__signature__ = inspect.Signature(whole)  # type: ignore[attr-defined]
    return run


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _optional(annotated: Any) -> Any:
    """Returns an annotated type of which there may be none."""
    kind, option = get_args(annotated)
    return Annotated[kind | None, option]
