"""ImageNet weights come from the libraries' caches or are fetched; a file of one's own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from reid_srdl.errors import UserError
from reid_srdl.models.build import build, find_imagenet_weights
from reid_srdl.models.fetching import imagenet_file
from reid_srdl.models.offline import VARIABLE
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.weights import save_network


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints"


@pytest.mark.parametrize("name", ["resnet18", "torchvision:resnet18"])
def test_what_is_missing_is_fetched_and_its_hash_checked(
    name: str, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    asked: list[tuple[str, str | None]] = []

    def download(url: str, to: str, hash_prefix: str | None) -> None:
        asked.append((url, hash_prefix))
        Path(to).write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    path = imagenet_file(name)
    assert path == imagenet_file(name), "the second time it is there"
    assert path == hub / "resnet18-f37072fd.pth"
    assert asked == [("https://download.pytorch.org/models/resnet18-f37072fd.pth", "f37072fd")]


def test_without_a_network_the_error_says_which_file_to_put_where(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*arguments: Any) -> None:
        raise OSError("no route")

    monkeypatch.setattr(torch.hub, "download_url_to_file", none)
    for offline, told in (("1", "nothing is fetched"), ("", "cannot be fetched (OSError: no rout")):
        monkeypatch.setenv(VARIABLE, offline)
        with pytest.raises(UserError) as caught:
            find_imagenet_weights("resnet50", None)
        assert told in caught.value.what
        assert str(hub / "resnet50-0676ba61.pth") in caught.value.hint
        assert "--set model.weights=FILE" in caught.value.hint


def test_timms_weights_come_from_its_hubs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("timm", reason="timm is an extra")
    import huggingface_hub

    asked: list[tuple[str, bool]] = []

    def download(hub: str, file: str, local_files_only: bool = False) -> str:
        asked.append((f"{hub}/{file}", local_files_only))
        if local_files_only:
            raise FileNotFoundError(file)
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    name = "timm/resnet18.a1_in1k/model.safetensors"
    with pytest.raises(UserError, match="nothing is fetched") as caught:
        imagenet_file("timm:resnet18")
    assert "https://huggingface.co/timm/resnet18.a1_in1k" in caught.value.hint
    monkeypatch.setenv(VARIABLE, "0")
    assert imagenet_file("timm:resnet18") == tmp_path / "model.safetensors"
    assert asked == [(name, True), (name, True), (name, False)]


def test_a_runs_own_weights_fill_the_trunk_and_the_classifier_is_drawn_anew(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    known = build(NetworkSpec("resnet32", 7), seed=5)
    save_network(path, known)
    one, other = (build(NetworkSpec("resnet32", 5), seed=seed, weights=path) for seed in (1, 2))

    def digest(module: torch.nn.Module) -> str:
        told = hashlib.blake2b()
        for value in module.state_dict().values():
            told.update(value.numpy().tobytes())
        return told.hexdigest()

    assert digest(one.trunk) == digest(other.trunk) == digest(known.trunk)
    assert digest(one.classifier) != digest(other.classifier)
    drawn = build(NetworkSpec("resnet32", 5), seed=1)
    assert digest(one.classifier) == digest(drawn.classifier), "as without the file"
    with pytest.raises(UserError, match="not the weights of resnet110"):
        build(NetworkSpec("resnet110", 5), seed=0, weights=path)
    plain = tmp_path / "w.pth"
    torch.save(known.state_dict(), plain)
    with pytest.raises(UserError, match="not the weights of resnet32"):
        build(NetworkSpec("resnet32", 5), seed=0, weights=plain)
