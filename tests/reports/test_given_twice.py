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
