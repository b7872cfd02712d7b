"""The command that trains a run again, made of its record."""

from __future__ import annotations

import shlex
from functools import cache
from typing import Any

from reid_srdl.config import PLACES, AnyConfig, lay, resolve
from reid_srdl.data import DATASETS
from reid_srdl.errors import UserError
from reid_srdl.methods import KNOWN
from reid_srdl.records.naming import flatten, show
from reid_srdl.records.run import AnyRecord, RunRecord

_NAMES = {
    "--dataset": "data.name",
    "--model": "model.name",
    "--method": "method.name",
    "--seed": "train.seed",
}
# A recipe's keys are given one by one: a recipe of this name may hold other ones by then.
_LEFT = {*PLACES, *_NAMES.values(), "recipe.name"}
_DIGEST = "model.weights_digest"


def training_command(record: AnyRecord) -> str:
    """Returns the command that trains a run again; empty where nothing does.

    It names data set, network, method and seed, and each key that these alone would set otherwise.
    A file of first weights is named by its digest: where it stood was that machine's business.
    """
    if not isinstance(record, RunRecord):
        return ""
    try:
        config = resolve(dict(record.config), KNOWN)
        own, base = _keys(config), _plain(config.data.name, config.model.name, config.method.name)
    except UserError:
        return ""
    words = ["reid-srdl", "train"]
    for flag, key in _NAMES.items():
        words += [flag, show(own[key])]
    for key, value in own.items():
        if key not in _LEFT and value != base[key]:
            told = f"model.weights=FILE-{value}" if key == _DIGEST else f"{key}={show(value)}"
            words += ["--set", told]
    return shlex.join([*words, "--name", record.name])


def _keys(config: AnyConfig) -> dict[str, Any]:
    return flatten(config.model_dump(mode="json", by_alias=True))


@cache
def _plain(data: str, model: str, method: str) -> dict[str, Any]:
    """Returns the keys that data set, network and method alone would come to."""
    entry = DATASETS.get(data)
    names = {"data": {"name": data}, "model": {"name": model}, "method": {"name": method}}
    return _keys(resolve(lay(entry.defaults if entry else {}, names), KNOWN))
