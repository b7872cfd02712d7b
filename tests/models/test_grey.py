"""Networks for grey images answer as their like for colours do for grey in all three channels."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.models import MODELS
from reid_srdl.models.build import build
from reid_srdl.models.changes.branches import Branches
from reid_srdl.models.empty_pass import stage_shapes
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec

LIBRARIES = (
    "torchvision:mobilenet_v3_small",
    "torchvision:vit_b_32",
    "torchreid:osnet_x0_25",
    "timm:mobilenetv3_small_050",
)
SIZE = (32, 32)


def images() -> torch.Tensor:
    return torch.rand(2, 1, *SIZE, generator=torch.Generator().manual_seed(0))


def agree(grey: Network, colour: Network) -> bool:
    with torch.no_grad():
        one = grey.eval()(images()).logits
        other = colour.eval()(images().expand(-1, 3, -1, -1)).logits
    return torch.allclose(one, other, atol=1e-4 * float(other.abs().max()))


@pytest.mark.parametrize("name", [*MODELS, *LIBRARIES])
def test_grey_is_colour_in_all_channels(name: str) -> None:
    if name.startswith("timm:"):
        pytest.importorskip("timm", reason="timm is an extra")
    grey, colour = (build(NetworkSpec(name, 5, SIZE, channels), seed=0) for channels in (1, 3))
    assert grey.state_dict().keys() == colour.state_dict().keys()
    assert sum(p.numel() for p in grey.parameters()) < sum(p.numel() for p in colour.parameters())
    assert agree(grey, colour)


def test_grey_networks_have_stages_branches_and_trained_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(torchvision.models.resnet18().state_dict(), path)
    specs = (NetworkSpec("resnet18", 5, SIZE, channels, (Branches(),)) for channels in (1, 3))
    grey, colour = (build(spec, seed=0, weights=path) for spec in specs)
    assert agree(grey, colour)
    assert stage_shapes(grey, SIZE) == stage_shapes(colour, SIZE)
    assert len(grey(images(), needs={"branches"}).branches) == 3


def test_networks_that_take_no_grey_images_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from reid_srdl.models import cifar_resnet

    class Two(nn.Module):
        """Reads the image twice."""

        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.one(x), self.other(x)], dim=1)

    trunks = {"hannel": Two(), "does not begin": nn.Sequential(nn.Conv2d(4, 8, 1))}
    for reason, trunk in trunks.items():
        made = Network(trunk, nn.Linear(8, 5))
        monkeypatch.setattr(cifar_resnet, "resnet32", lambda classes, made=made: made)
        monkeypatch.setattr(made, "name_stages", lambda paths: None)
        with pytest.raises(UserError, match="resnet32 does not take grey images") as caught:
            build(NetworkSpec("resnet32", 5, channels=1), seed=0)
        assert reason in caught.value.what
