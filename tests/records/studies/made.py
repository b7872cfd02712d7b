"""Small studies and their finished runs, made on the spot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.config import AnyConfig, MethodOptions, resolve
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.methods import OPTIONS
from reid_srdl.records.run import DatasetFacts, RunRecord
from reid_srdl.records.store import write_record
from reid_srdl.records.studies import Plan, RunPlan, Study, plan_study, read_study
from reid_srdl.records.studies.plan import Rehearsed
from tests.records.factory import evaluation, evaluations, record

CIFAR = DatasetFacts(
    name="cifar100", task="classification", images=50_000, classes=100, test=10_000
)
STUDY: dict[str, Any] = {
    "title": "A study",
    "seeds": [0, 1, 2],
    "config": {"data": {"name": "cifar100"}, "train": {"epochs": 200}},
    "cells": {
        "plain": {
            "label": "vanilla",
            "config": {"method": {"name": "vanilla"}},
            "published": {"top1": 69.02},
            "quoted": {"trcost": 0.08},
        },
        "single": {
            "label": "SRDL",
            "config": {"method": {"name": "srdl"}},
            "published": {"top1": 71.63},
        },
        "both": {
            "label": "SRDL, two models",
            "config": {"method": {"name": "srdl"}},
            "result": "srdl+first",
            "published": {"top1": 72.33},
        },
    },
    "contrasts": [
        {"label": "SRDL - vanilla", "of": "single", "over": "plain"},
        {"label": "two - one", "of": "both", "over": "single"},
    ],
    "quotations": [{"label": "Another's", "published": {"top1": 50.5}}],
}


class TaughtOptions(MethodOptions):
    """A method that has a teacher."""

    name: str = "taught"
    teacher: str = "resnet18"


METHODS = {**OPTIONS, "taught": TaughtOptions}


@dataclass(frozen=True)
class Known:
    """What a dry run would tell."""

    networks: tuple[str, ...]
    ensembles: tuple[str, ...] = ()
    least_epochs: int = 1


def rehearsed(config: AnyConfig) -> Rehearsed:
    """Rehearses a method of the table; the made-up one has no program."""
    if config.method.name == "taught":
        return Known(("taught",), config.eval.ensembles)
    return rehearse(config)


def configure(tree: Mapping[str, Any]) -> AnyConfig:
    return resolve(tree, METHODS)


def write_study(folder: Path, tree: Mapping[str, Any], name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(dict(tree), sort_keys=False))
    return path


def study(folder: Path, **changes: Any) -> Study:
    return read_study(write_study(folder, {**STUDY, **changes}))


def plan(folder: Path, *, changes: Mapping[str, Any] | None = None, **options: Any) -> Plan:
    return plan_study(study(folder, **(changes or {})), configure, rehearsed, **options)


def finished(run: RunPlan, scores: Mapping[str, float], **fields: Any) -> RunRecord:
    """Returns the record of a planned run with a top-1 (or Rank-1) for each named result."""
    if run.config.data.name == "cifar100":
        results: dict[str, Any] = {
            name: ClassScores(top1=top1, top5=(1 + top1) / 2, loss=1.0, images=10_000)
            for name, top1 in scores.items()
        }
        fields = {"dataset": CIFAR, **fields}
    else:
        results = {name: evaluation(rank1, rank1 / 2) for name, rank1 in scores.items()}
    made = record(seed=run.seed)
    config = run.config.model_dump(mode="json")
    dataset = fields.get("dataset", made.dataset)
    judged = evaluations(dataset, results)
    update = {"name": run.name, "config": config, "evaluations": judged, **fields}
    return made.model_copy(update=update)


def write_runs(folder: Path, *records: RunRecord) -> None:
    for made in records:
        write_record(folder / made.name, made)
