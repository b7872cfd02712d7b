"""Brings records to the present schema, every number as it was measured.

    python tools/rekey.py               # those in results/
    python tools/rekey.py DIR [DIR ...]

Run it whenever the schema gains a key, and on records that another commit made. Keys that a
configuration lacks are put at their defaults, and its fingerprint is made anew: a run that a
finished one taught is told by its teacher, whose folder stands beside its own.

A phase's key stands as it was recorded. Phases of records from before phases had keys get those
that this version gives to the same configuration on the data in `REID_SRDL_DATA`, of which only
the number of training images can be checked: no such record says what the images were.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from reid_srdl.config import PATHS, AnyConfig, fingerprint, resolve
from reid_srdl.jobs.opening import compute_of
from reid_srdl.jobs.planning import plan_run
from reid_srdl.methods import OPTIONS
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import RECORD, write_record
from reid_srdl.tasks import open_task

ROOT = Path(__file__).resolve().parents[1]
_NOT_THE_EXPERIMENT = ("train.seed", "train.precision", "eval.ensembles")  # as jobs.summary has it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[ROOT / "results"])
    for top in parser.parse_args().folders:
        for path in sorted(top.rglob(RECORD)):
            print(write_record(path.parent, rekeyed(path)))


def rekeyed(path: Path) -> RunRecord:
    """Returns the record in a file as the present schema has it."""
    tree = json.loads(path.read_text(encoding="utf-8"))
    config = resolve(tree["config"], OPTIONS)
    _move_processes(tree)
    tree |= {"config": _without_paths(config), "experiment": _experiment(path, config)}
    if any(phase.get("key") is None for phase in tree["phases"]):
        _add_keys(tree, config)
    return RunRecord.model_validate(tree)


def _move_processes(tree: dict[str, Any]) -> None:
    """Puts the number of processes, which an interruption may change, below ``timing``."""
    if (processes := tree.pop("processes", None)) is not None:
        tree["timing"]["processes"] = processes
        tree["norm_parts"] = processes if tree.pop("own_statistics") else [1]


def _without_paths(config: AnyConfig) -> dict[str, Any]:
    tree = config.model_dump(mode="json", by_alias=True)
    for path in PATHS:
        section, key = path.split(".")
        del tree[section][key]
    return tree


def _experiment(path: Path, config: AnyConfig) -> str:
    """Returns the fingerprint of an experiment; a teacher beside it counts by its own."""
    taught = {
        key: json.loads(teacher.read_text(encoding="utf-8"))["experiment"]
        for key, told in config.method.model_dump(mode="json", exclude={"name"}).items()
        if isinstance(told, str) and (teacher := path.parents[1] / told / RECORD).is_file()
    }
    method = config.method.model_copy(update=taught)
    return fingerprint(config.model_copy(update={"method": method}), without=_NOT_THE_EXPERIMENT)


def _add_keys(tree: dict[str, Any], config: AnyConfig) -> None:
    here = compute_of(config.train.model_copy(update={"device": "cpu"}))
    task = open_task(config, here, lambda what, done, total: None)
    if len(task.training_set) != tree["dataset"]["images"]:
        raise SystemExit(f"{tree['name']}: trained on {tree['dataset']['images']} other images")
    planned = plan_run(config, task, None).phases
    for phase, own in zip(planned, tree["phases"], strict=True):
        if (phase.name, phase.kind) != (own["name"], own["kind"]):
            raise SystemExit(f"{tree['name']}: phase {own['name']} is {phase.name} today")
        own["key"] = phase.key


if __name__ == "__main__":
    main()
