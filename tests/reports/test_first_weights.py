"""Runs that start from a weights file: what is loaded, what is told, what sets them apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import configured
from reid_srdl.models.weights import load_network
from tests.reports.runs import Listener, people, run


def test_a_file_of_first_weights_is_loaded_by_every_stage(tmp_path: Path, cache: Path) -> None:
    data, runs = people(tmp_path / "data"), tmp_path / "runs"
    heard, silent = Listener(), Listener()
    first = run(data, runs, "first", listener=heard)
    assert any("--init imagenet" in note for note in heard.notes)
    file = runs / "first" / "weights" / "vanilla.safetensors"
    given = {"weights": str(file), "weights_digest": "0" * 32}
    still = {"lr": 1e-12, "weight_decay": 0.0}  # nothing moves
    second = run(
        data, runs, "second", listener=silent, model=given, method={"name": "srdl"}, optim=still
    )
    assert not silent.notes
    assert second.experiment != first.experiment
    known, made = load_network(file), load_network(runs / "second" / "weights" / "srdl.safetensors")
    for one, other in zip(known.trunk.parameters(), made.trunk.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert not torch.allclose(known.classifier.weight, made.classifier.weight, atol=1e-3)
    with pytest.raises(UserError, match="no such file"):
        run(data, runs, "third", model={"weights": str(tmp_path / "none.pth")})


def test_the_digest_of_a_file_is_filled_in(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "ab"]
    for file in files:
        file.write_text(file.name)

    def digest(*assignments: str) -> str | None:
        return configured({"model.name": "resnet18"}, None, assignments, None).model.weights_digest

    one, other = (digest(f"model.weights={file}") for file in files)
    assert None not in (one, other)
    assert one != other
    assert digest(f"model.weights={files[0]}", "model.init=imagenet") is None
    assert digest() is None
