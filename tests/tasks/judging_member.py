"""Judges networks on people and on classes, as one of several processes or as the only one.

``judging_member.py PLACE``: with ``people`` and ``classes`` in it. Process 0 prints the scores.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reid_srdl.group.processes import Group, joined
from reid_srdl.jobs.experiment import experiment
from reid_srdl.models.build import build
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.tasks import open_task
from reid_srdl.training.precision import choose
from reid_srdl.training.values import Model
from tests.training import tiny_nets

BATCH = 5  # of 12 queries and 32 images of a gallery: rounds in which a process has few or none
SETS = {"people": "folder", "classes": "class-folder"}


def judged(place: Path, group: Group) -> dict[str, Any]:
    """Returns all scores of both kinds of task, and how many images went through networks here."""
    tiny_nets.add_rows()
    scores: dict[str, Any] = {}
    passed: list[int] = []

    def count(network: nn.Module, given: tuple[torch.Tensor], made: object) -> None:
        passed.append(len(given[0]))

    for kind, name in SETS.items():
        data = {"name": name, "dir": str(place / kind), "height": 16, "width": 16}
        how = {"batch_size": BATCH, "flip": True}
        tree = {"data": {**data, "validation": 0.3}, "eval": how, "optim": {"batch_size": 8}}
        config = experiment({**tree, "model": {"name": "tiny"}})
        task = open_task(config, choose("cpu", "fp32", 1), lambda *told: None, group=group)
        spec = NetworkSpec("tiny", len(task.classes), (16, 16))
        made = {str(seed): Model(str(seed), spec, None, build(spec, seed=seed)) for seed in (1, 2)}
        for model in made.values():
            model.network.register_forward_hook(count)
        found = task.judge(made, {"1+2": list(made.values())})
        assert task.judge_epoch is not None
        epoch = task.judge_epoch(made["1"].network, None)
        if group.rank == 0:
            scores[kind] = {one: what.result.model_dump() for one, what in found.items()}
            scores[f"{kind}, an epoch"] = epoch
    return {"scores": scores, "passed": sum(passed)}


def main() -> None:
    torch.set_num_threads(1)
    with joined() as group:
        told = judged(Path(sys.argv[1]), group)
        passed = [json.loads(text) for text in group.texts(json.dumps(told["passed"]))]
        if group.rank == 0:
            print(json.dumps({**told, "passed": passed}))


if __name__ == "__main__":
    main()
