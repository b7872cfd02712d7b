import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from reid_srdl.errors import UserError
from reid_srdl.models import MODELS
from reid_srdl.models.build import build, find_imagenet_weights
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.weights import load_network, save_network

PUBLISHED = sorted(name for name, entry in MODELS.items() if entry.weights_file)


def parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "count", "dim"), [("resnet50", 25_046_831, 2048), ("densenet121", 7_723_631, 1024)]
)
def test_parameters_at_751_identities(name: str, count: int, dim: int) -> None:
    network = build(NetworkSpec(name, 751), seed=0)
    assert parameters(network) == count
    assert (network.classes, network.feature_dim) == (751, dim)


@pytest.mark.parametrize("name", PUBLISHED)
def test_forward_is_torchvisions(name: str) -> None:
    """The same weights in torchvision's own network give the same logits."""
    entry = MODELS[name]
    network = build(NetworkSpec(name, 5), seed=3).eval()
    library = getattr(torchvision.models, entry.builder)(num_classes=5).eval()
    state = {
        key.removeprefix("trunk.").replace("classifier.", f"{entry.classifier}."): value
        for key, value in network.state_dict().items()
    }
    library.load_state_dict(state)
    images = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = network(images)
        assert torch.allclose(output.logits, library(images), atol=1e-5)
        assert torch.allclose(output.logits, network.classifier(output.features), atol=1e-6)


def test_features_keep_float32_under_bf16() -> None:
    network = build(NetworkSpec("resnet18", 5), seed=0).eval()
    images = torch.randn(2, 3, 128, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = network(images)
    assert output.features.dtype == output.logits.dtype == torch.float32
    rounded = output.features.bfloat16().float()
    assert (rounded != output.features).float().mean() > 0.5


def test_initialisation_has_its_own_generator() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    one, same, other = (build(NetworkSpec("resnet18", 5), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.trunk.conv1.weight, same.trunk.conv1.weight)  # type: ignore[union-attr,arg-type]
    assert not torch.equal(one.trunk.conv1.weight, other.trunk.conv1.weight)  # type: ignore[union-attr,arg-type]


@pytest.mark.parametrize("name", PUBLISHED)
def test_imagenet_trunk_is_loaded_and_classifier_is_random(name: str, tmp_path: Path) -> None:
    library = getattr(torchvision.models, MODELS[name].builder)(num_classes=1000)
    state = library.state_dict()
    if name.startswith("densenet"):  # as in the published file
        state = {_old_name(k): v for k, v in state.items() if "num_batches_tracked" not in k}
    torch.save(state, tmp_path / "weights.pth")
    one, other = (
        build(NetworkSpec(name, 5), seed=seed, weights=tmp_path / "weights.pth") for seed in (1, 2)
    )
    library_trunk = {k: v for k, v in library.state_dict().items() if k in _trunk(one)}
    assert len(library_trunk) == len(_trunk(one))
    assert all(torch.equal(_trunk(one)[key], value) for key, value in library_trunk.items())
    assert not torch.equal(one.classifier.weight, other.classifier.weight)


def _trunk(network: Any) -> dict[str, torch.Tensor]:
    return {k[6:]: v for k, v in network.state_dict().items() if k.startswith("trunk.")}


def _old_name(key: str) -> str:
    for layer in ("norm", "conv"):
        for number in "12":
            if "denselayer" in key:
                key = key.replace(f".{layer}{number}.", f".{layer}.{number}.")
    return key


def test_missing_imagenet_weights_say_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError) as caught:
        find_imagenet_weights("resnet50", None)
    assert "resnet50-0676ba61.pth" in caught.value.hint
    assert str(tmp_path / "checkpoints") in caught.value.hint
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "resnet50-0676ba61.pth").touch()
    assert find_imagenet_weights("resnet50", None).is_file()


class Trap:
    """Unpickling this would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("kind", ["pickle", "torch", "text", "empty"])
def test_foreign_weights_are_refused_and_not_executed(tmp_path: Path, kind: str) -> None:
    trap, file = tmp_path / "trapped", tmp_path / "weights.pth"
    if kind == "pickle":
        file.write_bytes(pickle.dumps(Trap(trap)))
    elif kind == "torch":
        torch.save({"weight": Trap(trap)}, file)
    else:
        file.write_text("hello" if kind == "text" else "")
    with pytest.raises(UserError, match="nothing in it was executed"):
        build(NetworkSpec("resnet18", 5), seed=0, weights=file)
    with pytest.raises(UserError, match="nothing in it was executed"):
        load_network(file)
    assert not trap.exists()


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "weights.pth")
    with pytest.raises(UserError, match="not the weights of resnet50"):
        build(NetworkSpec("resnet50", 5), seed=0, weights=tmp_path / "weights.pth")


def test_weights_file_round_trip(tmp_path: Path) -> None:
    network = build(NetworkSpec("resnet18", 5), seed=9)
    save_network(tmp_path / "w.safetensors", network)
    loaded = load_network(tmp_path / "w.safetensors")
    assert all(
        torch.equal(value, loaded.state_dict()[key]) for key, value in network.state_dict().items()
    )
