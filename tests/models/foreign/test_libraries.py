"""Files of torchvision, timm and torchreid, against the libraries' own networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.models.build import build
from reid_srdl.models.changes import Normalised
from reid_srdl.models.foreign.network import Foreign, read_foreign
from reid_srdl.models.spec import NetworkSpec

IMAGES = torch.randn(8, 3, 64, 32, generator=torch.Generator().manual_seed(1))


def drawn(network: Any) -> Any:
    """Draws statistics and shifts, which begin at one and zero; residual sums stay small."""
    torch.manual_seed(0)
    for key, value in network.state_dict().items():
        if key.endswith("running_mean") or (key.endswith("bias") and value.dim()):
            value.normal_(std=0.1)
        elif key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif key.endswith(("bn3.weight", "bn2.weight")):
            value.fill_(0.4)
    return network.eval()


def read(path: Path, written: Any, model: str, **more: Any) -> Foreign:
    torch.save(written, path / "f")
    try:
        return read_foreign(path / "f", model, size=(64, 32), **more)
    finally:
        (path / "f").unlink()


def assert_same(foreign: Foreign, features: torch.Tensor, logits: torch.Tensor) -> None:
    with torch.no_grad():
        ours = foreign.network(IMAGES)
    torch.testing.assert_close(ours.features, features, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.logits, logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["osnet_x0_25", "resnet50"])
@torch.no_grad()
def test_torchreids_features_are_its_own(name: str, tmp_path: Path) -> None:
    from torchreid.reid.models import build_model

    theirs = drawn(build_model(name, 9, pretrained=False, loss="softmax"))
    features = theirs(IMAGES)
    foreign = read(tmp_path, {"state_dict": theirs.state_dict()}, f"torchreid:{name}")
    assert foreign.found.code == "torchreid"
    assert_same(foreign, features, theirs.classifier(features))


@pytest.mark.parametrize(("name", "distance"), [("osnet_ain_x0_25", "cosine"), ("resnet18", None)])
def test_each_is_compared_as_its_own_configuration_has_it(
    name: str, distance: str | None, tmp_path: Path
) -> None:
    from torchreid.reid.models import build_model

    state = build_model(name, 9, pretrained=False, loss="softmax").state_dict()
    foreign = read(tmp_path, state, f"torchreid:{name}")
    assert foreign.found.evaluation.get("distance") == distance


@pytest.mark.parametrize("model", ["resnet18", "torchvision:resnet18", "densenet121"])
@torch.no_grad()
def test_torchvisions_features_are_its_own(model: str, tmp_path: Path) -> None:
    import torchvision

    name = model.rpartition(":")[2]
    theirs = drawn(torchvision.models.get_model(name, num_classes=9))
    logits = theirs(IMAGES)
    last = "fc" if name == "resnet18" else "classifier"
    classifier = getattr(theirs, last)
    state = theirs.state_dict()
    setattr(theirs, last, nn.Identity())
    # As a part of something larger, with a classifier of its own.
    parted = {key if key.startswith(last) else f"backbone.{key}": v for key, v in state.items()}
    for written in (state, parted):
        foreign = read(tmp_path, written, model)
        assert foreign.found.code == "torchvision"
        assert_same(foreign, theirs(IMAGES), logits)
    assert foreign.network.classes == classifier.out_features


@torch.no_grad()
def test_timms_features_and_normalisation_are_its_own(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", reason="timm is an extra")
    theirs = drawn(timm.create_model("vit_tiny_patch16_224", num_classes=9, img_size=(64, 32)))
    features = theirs.forward_head(theirs.forward_features(IMAGES), pre_logits=True)
    foreign = read(tmp_path, theirs.state_dict(), "timm:vit_tiny_patch16_224")
    assert_same(foreign, features, theirs(IMAGES))
    assert foreign.network.spec.changes == (Normalised((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),)


def test_half_precision_without_a_classifier_is_read_and_told(tmp_path: Path) -> None:
    import torchvision

    state = torchvision.models.resnet18(num_classes=9).state_dict()
    halves = {key: v.half() if v.dim() else v for key, v in state.items() if "fc." not in key}
    foreign = read(tmp_path, {"state_dict": halves, "epoch": 3}, "resnet18", classes=("a", "b"))
    assert foreign.notes == ("no classifier is read: its logits are zero and teach nothing",)
    assert foreign.classes == ()
    with torch.no_grad():
        output = foreign.network(IMAGES)
    assert output.features.dtype == torch.float32
    assert not output.logits.any()
    with pytest.raises(UserError, match=r"no place for extra\.weight"):
        read(tmp_path, {**state, "extra.weight": torch.ones(3)}, "resnet18")


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    from torchreid.reid.models import build_model

    state = build_model("osnet_x0_25", 9, pretrained=False).state_dict()
    whole = {key: value.to(torch.int8) for key, value in state.items()}
    with pytest.raises(UserError, match="holds int8 where torchreid:osnet_x0_25 has fractions"):
        read(tmp_path, whole, "torchreid:osnet_x0_25")
    torch.save(whole, tmp_path / "f")
    with pytest.raises(UserError, match="holds int8 where"):
        build(NetworkSpec("torchreid:osnet_x0_25", 5), seed=0, weights=tmp_path / "f")
