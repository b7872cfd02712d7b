"""Networks of other libraries: the library's own parameters, features and logits."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.models import NETWORK_NAMES
from reid_srdl.models.build import build, check_network, find_imagenet_weights
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.weights import load_network, save_network

TORCHVISION = (
    ("resnet34", 64, 32),
    ("densenet169", 32, 32),
    ("mobilenet_v2", 32, 32),
    ("mobilenet_v3_small", 64, 32),
    ("efficientnet_b0", 32, 32),
    ("convnext_tiny", 64, 32),
    ("regnet_y_400mf", 32, 32),
    ("shufflenet_v2_x0_5", 64, 32),
    ("mnasnet0_5", 32, 32),
    ("googlenet", 32, 32),
    ("swin_t", 64, 32),
    ("vit_b_32", 64, 64),
)
TORCHREID = ("osnet_x1_0", "osnet_ain_x0_25", "resnet50_fc512", "mobilenetv2_x1_0", "densenet121")
TIMM = (
    ("resnet18.a1_in1k", 64, 32),
    ("convnext_atto", 64, 32),
    ("mobilenetv3_small_050", 32, 32),
    ("vit_tiny_patch16_224", 64, 32),
    ("swin_tiny_patch4_window7_224", 64, 32),
)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def images(height: int, width: int) -> torch.Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def check_forms(network: Any, height: int, width: int) -> None:
    """Training mode works, and features keep float32 under bf16."""
    output = network.train()(images(height, width))
    assert output.logits.shape == (2, 5)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features = network.eval()(images(height, width)).features
    assert features.dtype == torch.float32


@pytest.mark.parametrize(("name", "height", "width"), TORCHVISION)
def test_torchvisions_networks(name: str, height: int, width: int) -> None:
    network = build(NetworkSpec(f"torchvision:{name}", 5, (height, width)), seed=3).eval()
    options: dict[str, Any] = {"image_size": height} if name.startswith("vit") else {}
    if name == "googlenet":
        options = {"aux_logits": False, "init_weights": True}
    torch.manual_seed(3)
    library = torchvision.models.get_model(name, num_classes=5, **options).eval()
    assert count(network) == count(library)
    with torch.no_grad():
        output = network(images(height, width))
        assert torch.equal(output.logits, library(images(height, width)))
    assert torch.equal(output.logits, network.classifier(output.features))
    check_forms(network, height, width)


def test_squeezenet_is_pooled_before_its_classifier() -> None:
    network = build(NetworkSpec("torchvision:squeezenet1_1", 5, (32, 32)), seed=0)
    assert count(network) == count(torchvision.models.squeezenet1_1(num_classes=5))
    assert network.feature_dim == 512
    check_forms(network, 32, 32)


@pytest.mark.parametrize("name", TORCHREID)
def test_torchreids_networks(name: str) -> None:
    models = pytest.importorskip("torchreid.reid.models")
    network = build(NetworkSpec(f"torchreid:{name}", 5, (64, 32)), seed=3).eval()
    torch.manual_seed(3)
    library = models.build_model(name, 5, pretrained=False).eval()
    assert count(network) == count(library)
    with torch.no_grad():
        output = network(images(64, 32))
        assert torch.equal(output.features, library(images(64, 32)))  # torchreid's own feature
        assert torch.equal(output.logits, library.classifier(output.features))
    check_forms(network, 64, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features = network(images(64, 32)).features
    assert (features != features.bfloat16().float()).float().mean() > 0.1


@pytest.mark.parametrize(("name", "height", "width"), TIMM)
def test_timms_networks(name: str, height: int, width: int) -> None:
    timm = pytest.importorskip("timm", reason="timm is an extra")
    network = build(NetworkSpec(f"timm:{name}", 5, (height, width)), seed=3).eval()
    options = {"img_size": (height, width)} if "patch" in name else {}
    torch.manual_seed(3)
    library = timm.create_model(name, num_classes=5, **options).eval()
    assert count(network) == count(library)
    with torch.no_grad():
        logits = network(images(height, width)).logits
        assert torch.equal(logits, library(images(height, width)))
    check_forms(network, height, width)


def test_one_layer_stands_for_timms_two_heads() -> None:
    pytest.importorskip("timm", reason="timm is an extra")
    name = "timm:deit_tiny_distilled_patch16_224"
    network = build(NetworkSpec(name, 5, (32, 32)), seed=0)
    assert (network.classes, network.feature_dim) == (5, 192)
    check_forms(network, 32, 32)


@pytest.mark.parametrize(
    ("name", "size", "what"),
    [
        ("torchvision:vit_b_16", (64, 32), "square"),
        ("torchvision:vit_b_16", (40, 40), "indivisible"),
        ("torchvision:inception_v3", (32, 32), "32x32 pixels"),
        ("torchreid:mudeep", (64, 32), "64x32 pixels"),
        ("torchreid:hacnn", (160, 64), "several classifiers"),
        ("torchreid:pcb_p6", (256, 128), "several classifiers"),
    ],
)
def test_what_does_not_fit_is_told(name: str, size: tuple[int, int], what: str) -> None:
    with pytest.raises(UserError, match=what):
        check_network(name, size=size)
    with pytest.raises(UserError, match=what) as caught:
        build(NetworkSpec(name, 5, size), seed=0)
    assert name in caught.value.what
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("name", "hint"),
    [("torchvision:resnet51", "resnet50"), ("torchreid:osnet_x1", "osnet_x1_0")],
)
def test_unknown_names_get_near_ones(name: str, hint: str) -> None:
    for attempt in (check_network, lambda name: build(NetworkSpec(name, 5), seed=0)):
        with pytest.raises(UserError, match="has no network") as caught:
            attempt(name)
        assert hint in caught.value.hint


def test_timm_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="not installed") as caught:
        check_network("timm:resnet18")
    assert "pip install 'reid-srdl[timm]'" in caught.value.hint


def test_timms_names_are_checked() -> None:
    pytest.importorskip("timm", reason="timm is an extra")
    with pytest.raises(UserError, match="has no network 'resnet19'") as caught:
        check_network("timm:resnet19")
    assert "resnet18" in caught.value.hint
    with pytest.raises(UserError, match="has no network"):
        check_network("timm:hf-hub:someone/something")


def test_names_are_told_apart_without_a_library() -> None:
    good = ("resnet32", "wrn-28-10", "timm:vit_tiny_patch16_224", "torchreid:osnet_x1_0")
    assert all(name in NETWORK_NAMES for name in good)
    bad = ("resnet33", "timm:", "keras:resnet50", ":", "torchvision", 5)
    assert not any(name in NETWORK_NAMES for name in bad)
    assert {"densenet201", "timm:NAME"} <= set(NETWORK_NAMES)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_given_weights_fill_the_trunk(suffix: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    library = torchvision.models.mobilenet_v2(num_classes=9)
    path = tmp_path / f"weights{suffix}"
    state = library.state_dict()
    if suffix == ".pth":
        torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    else:
        save_file(state, path)
    name = "torchvision:mobilenet_v2"
    assert find_imagenet_weights(name, path) == path
    one, other = (build(NetworkSpec(name, 5), seed=seed, weights=path) for seed in (1, 2))
    loaded = one.trunk.state_dict()
    trunk = {k: v for k, v in state.items() if not k.startswith("classifier")}
    assert trunk.keys() == loaded.keys()
    assert all(torch.equal(loaded[key], value) for key, value in trunk.items())
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    with pytest.raises(UserError, match="not the weights of torchvision:resnet18"):
        build(NetworkSpec("torchvision:resnet18", 5), seed=0, weights=path)


def test_no_weights_are_fetched(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file with the ImageNet weights") as caught:
        find_imagenet_weights("torchreid:osnet_x1_0", None)
    assert "model.weights" in caught.value.hint
    with pytest.raises(UserError, match=r"none\.pth: no such file"):
        find_imagenet_weights("torchreid:osnet_x1_0", tmp_path / "none.pth")
    with pytest.raises(UserError, match="no ImageNet weights of resnet32"):
        find_imagenet_weights("resnet32", None)


def test_a_networks_input_size_is_kept_with_its_weights(tmp_path: Path) -> None:
    network = build(NetworkSpec("torchvision:vit_b_32", 5, (64, 64)), seed=1)
    save_network(tmp_path / "w.safetensors", network)
    loaded = load_network(tmp_path / "w.safetensors")
    assert loaded.input_size == (64, 64)
    with torch.no_grad():
        one, other = (n.eval()(images(64, 64)).logits for n in (network, loaded))
    assert torch.allclose(one, other, atol=1e-6)
