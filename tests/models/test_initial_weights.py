"""Initial weights stay what they were, to the bit, and a seed alone decides them."""

from __future__ import annotations

import hashlib

import pytest
import torch
from torch import nn

from reid_srdl.models.build import build
from reid_srdl.models.changes.branches import Branches
from reid_srdl.models.spec import NetworkSpec

# Of 5 classes and seed 3, as drawn before networks were made from specs.
DIGESTS = {
    "resnet32": "eac29ec678ca2fcc",
    "resnet110": "8d4da3a8dfbf31ed",
    "wrn-28-10": "9140066cd0c6a434",
    "densenet-bc-190-40": "d835d817c4306db0",
    "resnet50": "5c49e9a9df86d65c",
    "densenet121": "f03e52b327a9ba08",
    "densenet201": "6c27fc37462ff662",
    "resnet18": "b8b98e0fbe5d8f8d",
    "torchvision:mobilenet_v3_small": "d0a706fe3bd2d32d",
    "torchvision:squeezenet1_1": "7526ae40b6e98096",
    "torchreid:osnet_x0_25": "f348ee52083b7b03",
    "timm:mobilenetv3_small_050": "b30398a23a066500",
    "timm:vit_tiny_patch16_224": "bd1ed0752aa5c749",
}


def digest(network: nn.Module) -> str:
    """Hashes keys, shapes and bytes in the order of the state."""
    hashed = hashlib.blake2b(digest_size=8)
    for key, value in network.state_dict().items():
        hashed.update(key.encode())
        hashed.update(str(tuple(value.shape)).encode())
        hashed.update(value.numpy().tobytes())
    return hashed.hexdigest()


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX2", reason="other processors draw other bits"
)
@pytest.mark.parametrize("name", DIGESTS)
def test_initial_weights_are_as_ever(name: str) -> None:
    if name.startswith("timm:"):
        pytest.importorskip("timm", reason="timm is an extra")
    assert digest(build(NetworkSpec(name, 5), seed=3)) == DIGESTS[name]


def test_a_seed_decides_all_weights_branches_included() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (
        build(NetworkSpec("resnet32", 5, changes=(Branches(),)), seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert digest(one) == digest(same) != digest(other)
    plain = build(NetworkSpec("resnet32", 5), seed=1).state_dict()
    state = one.state_dict()
    assert all(torch.equal(state[key], value) for key, value in plain.items())
    added = state.keys() - plain.keys()
    assert added
    assert all(key.startswith(("branches.branch1.", "branches.branch2.")) for key in added)
