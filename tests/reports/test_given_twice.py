"""Point 4: a key that is given twice, otherwise, is refused: one of both would be lost."""

from __future__ import annotations

from typing import Any

import pytest

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import configured


@pytest.mark.parametrize(
    ("given", "assigned"),
    [
        ({"train.epochs": 2}, "train.epochs=3"),
        ({"eval.enabled": False}, "eval.enabled=true"),
        ({"data.dir": ["w"]}, "data.dir=v"),
        ({"optim.batch_size": 16}, "optim.batch_size=none"),
    ],
)
def test_an_option_and_an_assignment_differ(given: dict[str, Any], assigned: str) -> None:
    key = assigned.partition("=")[0]
    with pytest.raises(UserError, match=f"{key}: given twice, as .* by its option, as .* by --set"):
        configured(given, None, [assigned], None)


def test_the_same_value_may_stand_twice() -> None:
    given = {"train.epochs": 2, "data.name": "walkers", "data.dir": ["w"], "eval.enabled": False}
    twice = ["train.epochs=2", "data.dir=w", "eval.enabled=false", "optim.lr=0.2"]
    config = configured(given, None, twice, None)
    assert (config.train.epochs, config.optim.lr, config.eval.enabled) == (2, 0.2, False)


@pytest.mark.parametrize(
    ("assigned", "key"),
    [
        (["optim.lr=5e-2", "optim.lr=0.3"], "optim.lr"),
        (["optim.nesterov=true", "optim.nesterov=false"], "optim.nesterov"),
        (["optim.batch_size=none", "optim.batch_size=8"], "optim.batch_size"),
        (["optim={lr: 0.1}", "train.epochs=2", "optim.lr=0.2"], "optim.lr"),
        (["eval.rerank.k1=9", "eval={rerank: {k1: 8}}"], "eval.rerank.k1"),
        (["optim.milestones=[0.5]", "optim.milestones=[0.5, 0.7]"], "optim.milestones"),
        (["data.dir=", "data.dir=w"], "data.dir"),
    ],
)
def test_two_assignments_differ(assigned: list[str], key: str) -> None:
    with pytest.raises(UserError, match=f"{key}: given twice by --set, as .* and as ") as caught:
        configured({}, None, assigned, None)
    assert caught.value.exit_status == 2


def test_assignments_add_up() -> None:
    assigned = [
        "optim.lr=0.2",
        "optim={warmup: 0.1, lr: 0.2}",
        "optim.lr=0.2",
        "optim.momentum=0.5",
    ]
    optim = configured({}, None, assigned, None).optim
    assert (optim.lr, optim.warmup, optim.momentum) == (0.2, 0.1, 0.5)


def test_both_are_spelled_as_yaml_is() -> None:
    with pytest.raises(UserError, match="as false by its option, as true by --set"):
        configured({"eval.enabled": False}, None, ["eval.enabled=true"], None)
