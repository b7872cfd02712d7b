"""Configurations of records, read back for a study: no file that a record names is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reid_srdl.config import AnyConfig, resolve
from reid_srdl.errors import UserError
from reid_srdl.methods import OPTIONS, own
from reid_srdl.records.studies import Plan


def reader_of(plan: Plan) -> Callable[[Mapping[str, Any]], AnyConfig]:
    """Returns what turns a record's configuration back into one.

    Methods of one's own are those of the study's own files, which were run when it was read.
    """
    methods = [run.config.method for run in plan.runs]
    files = {method.digest: method.name for method in methods if own.is_own(method.name)}

    def read(tree: Mapping[str, Any]) -> AnyConfig:
        section = tree.get("method")
        name = section.get("name") if isinstance(section, Mapping) else None
        if not isinstance(section, Mapping) or not own.is_own(name):
            return resolve(tree, OPTIONS)
        found = files.get(section.get("digest"))
        if found is None or own.short(found) != own.short(str(name)):
            raise UserError(
                f"by {own.short(str(name))}, a method that the study does not name",
                "name its file in the study",
            )
        return resolve({**tree, "method": {**section, "name": found}}, OPTIONS)

    return read
