"""Drawn configurations run, stopped after an epoch and resumed, or are refused with exit 2.

60 are drawn, 300 with REID_SRDL_DRAWN=300 (at least 180 of them run); the counts are printed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import resume, train
from reid_srdl.methods import METHODS as ALL
from reid_srdl.models.build import build
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.run import RunRecord
from tests.reports.runs import Listener
from tests.small_set import write_small_set
from tests.training import tiny_nets

tiny_nets.add_rows()
DRAWN = int(os.environ.get("REID_SRDL_DRAWN", "60"))
NETWORKS = ("tiny", "wide", "staged", "dropping")

# Values of each key: mostly good ones, and some that are wrong, alone or beside others.
VALUES: dict[str, tuple[Any, ...]] = {
    "model.name": NETWORKS,
    "data.height": (16, 32, 24, 32, 15, 5000),
    "data.width": (16, 16, 24, 16, 16, 16),
    "data.pad": (0, 2, 4, 4, 4, 15, 16, 24),
    "data.flip": (True, False),
    "data.identities": (None, None, None, 2, 4, 6, 9),
    "data.split": (0, 0, 0, 0, 0, 0, 0, 1),
    "optim.lr": (0.1, 0.01, 1e-6, 1.0, 0.03, 0, 1e39),
    "optim.warmup": (0.0, 0.0, 0.1, 0.3, 0.49, 0.5, 1.0),
    "optim.momentum": (0.9, 0.9, 0.5, 0.0, 0.99),
    "optim.nesterov": (True, True, False),
    "optim.weight_decay": (2e-4, 0.0, 0.1, -1.0),
    "optim.batch_size": (12, 12, 12, 6, 4, 2, 1, 99),
    "optim.milestones": ([0.5, 0.75], [0.5, 0.75], [0.9], [], [0.5, 0.5], [60, 120]),
    "optim.gamma": (0.1, 0.1, 0.5, 1.0, 2.0),
    "optim.name": ("sgd", "sgd", "adam", "adamw"),
    "optim.schedule": ("step", "cosine"),
    "optim.decay_norms": (True, False),
    "optim.new_layers": (1.0, 0.1, 10.0, -1.0),
    "optim.frozen": (0.0, 0.0, 0.0, 0.5),
    "optim.clip": (None, 1.0, 0.01, 0),
    "optim.max_norm": (None, None, 2.0, 0),
    "optim.ema": (None, 0.9, 0.5, 1.0),
    "data.validation": (0.0, 0.0, 0.34, 0.5, 0.01),
    "train.seed": (0, 1, 2**40),
    "eval.enabled": (False, False, False, True),
    "eval.flip": (False, True),
    "eval.batch_size": (128, 7, 1),
    "eval.rules": ("ours", "official", "torchreid", "fastreid"),
    "eval.distance": ("euclidean", "cosine"),
    "eval.gallery": ("all", "all", "single-shot"),
    "eval.trials": (100, 100, 100, 3),
    "eval.rerank.method": ("none", "none", "none", "k-reciprocal"),
    "eval.rerank.k1": (20, 20, 20, 4),
    "eval.rerank.k2": (6, 6, 6, 2),
    "eval.expand.method": ("none", "none", "none", "aqe"),
    "eval.expand.n": (10, 10, 10, 3),
    "eval.index": (None, None, None, None, "Flat"),
    "eval.every": (None, None, None, 1),
    "eval.ensembles": ([], [], [], [], [], [], ["a+b"]),
}
METHODS: tuple[dict[str, tuple[Any, ...]], ...] = (
    {"name": ("vanilla",), "models": (1, 1, 2)},
    {
        "name": ("srdl",),
        "temperature": (3.0, 3.0, 3.0, 3.0, 4.0, 0.01, 1000.0, 0.001),
        "schedule": ("complete", "incomplete"),
        "restart": (True, False),
        "view": ("clean", "clean+flip"),
    },
    {
        "name": ("kd",),
        "teacher": ("tiny", "tiny", "wide", "wide", "staged", "staged", "staged", "nothing"),
        "temperature": (3.0, 3.0, 3.0, 4.0, 4.0, 4.0, 4.0, 1e9),
        "form": ("paper", "lecture"),
        "alpha": (0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.5),
        "teacher_epochs": (None, 1),
    },
    {
        "name": ("fitnet",),
        "teacher": ("staged", "staged", "staged", "tiny", "nothing"),
        "hint_epochs": (None, 1, 1, 9),
        "temperature": (3.0, 1.0),
        "view": ("clean", "online"),
    },
    {"name": ("at",), "teacher": ("staged",), "beta": (1000.0, 1000.0, 1.0, 1.0, 0.0, -1.0)},
    {
        "name": ("rkd",),
        "teacher": ("tiny", "wide"),
        "distance": (None, 1.0, 0.0),
        "angle": (None, 2.0, 0.0),
        "teacher_epochs": (None, 1),
    },
    {
        "name": ("dkd",),
        "teacher": ("tiny", "wide", "staged"),
        "alpha": (1.0, 0.0),
        "beta": (8.0, 0.0),
        "standardise": (True, False),
    },
    {
        "name": ("byot",),
        "alpha": (0.1, 0.1, 0.1, 0.5, 0.5, 0.0, 1.0, 2.0),
        "features": (1e-6, 0.03),
    },
    {"name": ("dsn",)},
    {
        "name": ("dml",),
        "networks": (2, 2, 3, ["tiny", "wide"], 1),
        "order": ("in_turn", "at_once"),
        "strategy": (1, 2),
        "feature_l2": (0.0, 0.1),
    },
    {"name": ("entropy",), "beta": (0.1, 0.1, 0.1, 0.1, 1.0, 0.0, -0.1)},
    {
        "name": ("transfer",),
        "stages": (1, 2, 0, 9),
        "tune": (True, False),
        "classes": ("all", "A", "B"),
        "source_classes": (None, "A", "B", "all"),
        "source_epochs": (None, 1),
    },
    *(
        {
            "name": (name,),
            "generations": (2, 2, 2, 2, 2, 3, 3, 3, 3, 9, 1),
            "temperature": (1.0, 4.0),
            "view": ("clean", "clean+flip", "online"),
        }
        for name in ("ban", "cwtm", "dkpp")
    ),
    {"name": ("label-refinery",), "generations": (2, 3)},
)
STAGED = ("fitnet", "at", "byot", "dsn", "transfer")  # they need a network of stages


def drawn(number: int, place: Path) -> dict[str, Any]:
    """A configuration of a few keys that differ from what is known to run."""
    draw = np.random.default_rng(number)
    steps_of = {
        "data": {"name": "folder", "dir": str(place / "set"), "height": 32, "width": 16},
        "optim": {"batch_size": 12},
        "train": {"epochs": 2, "precision": "fp32", "threads": 1, "device": "cpu"},
        "model": {"name": "tiny"},
        "eval": {"enabled": False},
        "run": {"dir": str(place / "runs"), "name": f"r{number}"},
    }
    tree: dict[str, Any] = {section: dict(keys) for section, keys in steps_of.items()}
    for key in draw.choice(sorted(VALUES), size=int(draw.integers(1, 3)), replace=False):
        values = VALUES[str(key)]
        *sections, leaf = str(key).split(".")
        below = tree
        for section in sections:
            below = below.setdefault(section, {})
        below[leaf] = values[int(draw.integers(len(values)))]
    method = METHODS[int(draw.integers(len(METHODS)))]
    tree["method"] = {
        key: values[int(draw.integers(len(values)))] for key, values in method.items()
    }
    if tree["method"]["name"] not in ("vanilla", "srdl", "kd"):
        tree["train"]["epochs"] = 4
    if tree["method"]["name"] in STAGED and draw.random() < 0.95:
        tree["model"]["name"] = "staged"
    return tree


def outcome(tree: dict[str, Any]) -> RunRecord | UserError:
    """Returns the record of a run that was stopped after its first epoch, or its refusal."""
    try:
        asked = experiment(tree)
        try:
            return train(asked, Listener(stop=True))
        except KeyboardInterrupt:
            assert asked.run.name is not None
            return resume(asked.run.dir / asked.run.name)
    except UserError as error:
        return error


def test_every_method_is_drawn() -> None:
    assert {name for method in METHODS for name in method["name"]} == set(ALL)


def test_the_networks_are_small() -> None:
    for name in NETWORKS:
        network = build(NetworkSpec(name, 6), seed=0)
        assert sum(weight.numel() for weight in network.parameters()) < 20_000


def test_drawn_configurations_run_or_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    write_small_set(tmp_path / "set")
    ran, refused, wrong = 0, 0, list[str]()
    for number in range(DRAWN):
        tree = drawn(number, tmp_path)
        found = outcome(tree)
        if isinstance(found, UserError):
            begun = (tmp_path / "runs" / f"r{number}").exists()
            wrong += [f"{number}: {found} {tree}"] if begun or found.exit_status != 2 else []
            refused += 1
        else:
            assert sum(phase.epochs for phase in found.phases if phase.kind == "fit") >= 1
            ran += 1
    with capsys.disabled():
        print(f"\n{DRAWN} drawn configurations: {ran} ran, {refused} were refused with exit 2")
    assert wrong == []
    assert ran >= 0.6 * DRAWN
    assert refused >= 0.05 * DRAWN
