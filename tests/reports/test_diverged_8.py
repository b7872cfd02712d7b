"""Point 8: a hint leads on; a checkpoint that had diverged before is no place to start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_srdl.errors import UserError
from reid_srdl.training import fitting
from reid_srdl.training.marks import PoisonedError
from tests.reports.runs import people, run


@pytest.mark.parametrize(("lr", "diverged"), [(1e4, True), (0.01, False)])
def test_the_hint_starts_from_what_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lr: float, diverged: bool
) -> None:
    done = []

    def poisoned_later(name: str, module: object) -> None:
        done.append(name)
        if len(done) == 2:
            raise PoisonedError("network.weight holds NaN")

    monkeypatch.setattr(fitting, "check_finite", poisoned_later)
    with pytest.raises(UserError, match=r"holds NaN after epoch 2") as caught:
        run(people(tmp_path / "w"), tmp_path / "runs", optim={"lr": lr})
    assert ("epoch 1 had diverged already" in caught.value.what) == diverged
    assert ("the checkpoint of epoch 1 is kept" in caught.value.what) != diverged
    assert ("--from" in caught.value.hint) != diverged
    assert ("config.yaml --name r-2 --set optim.lr=0.0" in caught.value.hint) == diverged
