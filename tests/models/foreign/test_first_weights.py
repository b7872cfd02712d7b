"""Training begins from a foreign file where the configured network is the file's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.first_weights import told_of_weights
from reid_srdl.models.build import build
from reid_srdl.models.changes import IBN, BNNeck, CentredShortcut, LastStride, Stem
from reid_srdl.models.foreign.network import read_foreign
from reid_srdl.models.spec import NetworkSpec
from tests.models.foreign import keys


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Akamaster's ResNet-20."""
    torch.save({"state_dict": keys.drawn(keys.akamaster(20))}, tmp_path / "small.th")
    return tmp_path / "small.th"


def test_the_trunk_is_the_files_and_the_classifier_the_runs_own(small: Path) -> None:
    spec = NetworkSpec("resnet20", 5, changes=(CentredShortcut(),))
    begun, drawn = build(spec, seed=3, weights=small), build(spec, seed=3)
    theirs = read_foreign(small, "resnet20").network
    for key, value in begun.trunk.state_dict().items():
        assert torch.equal(value, theirs.trunk.state_dict()[key]), key
    assert torch.equal(begun.classifier.weight, drawn.classifier.weight)


def test_another_network_is_told_with_the_keys_that_make_them_alike(
    small: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="akamaster is not resnet20 as it is conf") as caught:
        build(NetworkSpec("resnet20", 5), seed=3, weights=small)
    assert "--set model.shortcut=centred" in caught.value.hint
    state = keys.blank(keys.fast_reid(ibn=True))
    torch.save(state, tmp_path / "f")
    with pytest.raises(UserError, match="fast-reid is not resnet50") as caught:
        build(NetworkSpec("resnet50", 5), seed=3, weights=tmp_path / "f")
    alike = "--set model.ibn=a --set model.last_stride=1 --set model.stem=ceil"
    assert caught.value.hint == f"configure it alike: {alike}"
    changes = (IBN(), LastStride(), Stem("ceil"), BNNeck())
    network = build(NetworkSpec("resnet50", 5, changes=changes), seed=3, weights=tmp_path / "f")
    assert not network.neck.weight.any()
    assert not network.trunk.conv1.weight.any()
    assert network.classifier.weight.any()


def test_what_is_left_out_and_how_pixels_differ_is_told(small: Path) -> None:
    def told(dataset: str) -> list[str]:
        model = {"name": "resnet20", "shortcut": "centred", "weights": small}
        config = experiment({"data": {"name": dataset}, "model": model})
        return list(told_of_weights(small, config.model, config.data.name))

    assert told("market1501") == [
        "model.weights: its classifier of 10 classes is left out: the run draws its own"
    ]
    with pytest.raises(UserError, match="akamaster's network takes pixels") as caught:
        told("cifar10")
    assert "reid-srdl import" in caught.value.hint


def test_the_first_three_keys_of_another_librarys_file_are_named(tmp_path: Path) -> None:
    state = build(NetworkSpec("torchvision:resnet18", 2), seed=0).trunk.state_dict()
    torch.save(state | {"a.b": torch.ones(1), "fc.weight": torch.ones(9, 512)}, tmp_path / "f")
    with pytest.raises(UserError, match=r"not the weights of resnet18: no place for a\.b"):
        build(NetworkSpec("resnet18", 5), seed=0, weights=tmp_path / "f")
    del state["layer4.1.bn2.bias"]
    torch.save({"backbone." + key: value for key, value in state.items()}, tmp_path / "f")
    with pytest.raises(UserError, match=r"it lacks layer4\.1\.bn2\.bias"):
        build(NetworkSpec("resnet18", 5), seed=0, weights=tmp_path / "f")
