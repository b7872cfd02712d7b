"""The keys of other codes' files, as their models have them, with drawn tensors.

The lists were made from each code at a named commit; their digests stand in the tests.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
_NORM = ("weight", "bias", "running_mean", "running_var")


def norm(name: str, width: int) -> Shapes:
    """Returns the keys of a batch norm."""
    return {f"{name}.{key}": (width,) for key in _NORM} | {f"{name}.num_batches_tracked": ()}


def linear(name: str, inputs: int, outputs: int, *, bias: bool = True) -> Shapes:
    """Returns the keys of a linear layer."""
    return {f"{name}.weight": (outputs, inputs)} | ({f"{name}.bias": (outputs,)} if bias else {})


def resnet50(prefix: str, *, ibn: bool = False) -> Shapes:
    """Returns the keys of a ResNet-50 up to its last maps; with IBN-a in layers 1 to 3."""
    keys: Shapes = {f"{prefix}conv1.weight": (64, 3, 7, 7)} | norm(f"{prefix}bn1", 64)
    inputs = 64
    for layer, blocks in enumerate((3, 4, 6, 3), start=1):
        width = 32 * 2**layer
        for block in range(blocks):
            at = f"{prefix}layer{layer}.{block}."
            keys[f"{at}conv1.weight"] = (width, inputs, 1, 1)
            if ibn and layer < 4:
                half = width // 2
                keys |= {f"{at}bn1.IN.weight": (half,), f"{at}bn1.IN.bias": (half,)}
                keys |= norm(f"{at}bn1.BN", half)
            else:
                keys |= norm(f"{at}bn1", width)
            keys |= {f"{at}conv2.weight": (width, width, 3, 3)} | norm(f"{at}bn2", width)
            keys |= {f"{at}conv3.weight": (4 * width, width, 1, 1)} | norm(f"{at}bn3", 4 * width)
            if block == 0:
                keys[f"{at}downsample.0.weight"] = (4 * width, inputs, 1, 1)
                keys |= norm(f"{at}downsample.1", 4 * width)
            inputs = 4 * width
    return keys


def non_local(prefix: str) -> Shapes:
    """Returns the keys of the five non-local blocks of AGW and SBS."""
    keys: Shapes = {}
    for name, width in (("2.0", 512), ("2.1", 512), *((f"3.{n}", 1024) for n in range(3))):
        at = f"{prefix}NL_{name}."
        for part in ("g", "theta", "phi"):
            keys |= {f"{at}{part}.weight": (1, width, 1, 1), f"{at}{part}.bias": (1,)}
        keys |= {f"{at}W.0.weight": (width, 1, 1, 1), f"{at}W.0.bias": (width,)}
        keys |= norm(f"{at}W.1", width)
    return keys


def fast_reid(*, old: bool = False, ibn: bool = False, sbs: bool = False) -> Shapes:
    """Returns the keys of fast-reid's BoT, or SBS; ``old``: of v0.1.1."""
    keys = resnet50("backbone.", ibn=ibn) | (non_local("backbone.") if sbs else {})
    keys |= {"heads.pool_layer.p": (1,)} if sbs else {}
    if old:
        keys |= {"pixel_mean": (1, 3, 1, 1), "pixel_std": (1, 3, 1, 1)} | norm("heads.bnneck", 2048)
        return keys | {"heads.classifier.weight": (751, 2048)}
    return keys | {"heads.weight": (751, 2048)} | norm("heads.bottleneck.0", 2048)


def strong_baseline(*, ibn: bool = False) -> Shapes:
    """Returns the keys of reid-strong-baseline's networks."""
    keys = resnet50("base.", ibn=ibn) | norm("bottleneck", 2048)
    keys |= linear("base.fc", 2048, 1000) if ibn else {}
    return keys | linear("classifier", 2048, 751, bias=False)


def layumi_resnet(*, width: int = 512) -> Shapes:
    """Returns the keys of layumi's ft_net; width 0: without the linear layer of its head."""
    keys = resnet50("model.") | linear("model.fc", 2048, 1000)
    return keys | _class_block(2048, width)


def layumi_dense() -> Shapes:
    """Returns the keys of layumi's ft_net_dense, with DenseNet-121."""
    at = "model.features."
    keys: Shapes = {f"{at}conv0.weight": (64, 3, 7, 7)} | norm(f"{at}norm0", 64)
    width = 64
    for block, layers in enumerate((6, 12, 24, 16), start=1):
        for layer in range(1, layers + 1):
            name = f"{at}denseblock{block}.denselayer{layer}."
            keys |= norm(f"{name}norm1", width) | {f"{name}conv1.weight": (128, width, 1, 1)}
            keys |= norm(f"{name}norm2", 128) | {f"{name}conv2.weight": (32, 128, 3, 3)}
            width += 32
        if block < 4:
            name = f"{at}transition{block}."
            keys |= norm(f"{name}norm", width) | {f"{name}conv.weight": (width // 2, width, 1, 1)}
            width //= 2
    keys |= norm(f"{at}norm5", width) | linear("model.classifier", width, 1000)
    return keys | _class_block(width, 512)


def _class_block(inputs: int, width: int) -> Shapes:
    head = "classifier.add_block."
    keys = linear(f"{head}0", inputs, width) if width else {}
    keys |= norm(f"{head}1" if width else f"{head}0", width or inputs)
    return keys | linear("classifier.classifier.0", width or inputs, 751)


def akamaster(depth: int = 32) -> Shapes:
    """Returns the keys of akamaster's ResNet of a depth, with its ``module.``."""
    keys: Shapes = {"module.conv1.weight": (16, 3, 3, 3)} | norm("module.bn1", 16)
    inputs = 16
    for layer, width in enumerate((16, 32, 64), start=1):
        for block in range((depth - 2) // 6):
            at = f"module.layer{layer}.{block}."
            keys |= {f"{at}conv1.weight": (width, inputs, 3, 3)} | norm(f"{at}bn1", width)
            keys |= {f"{at}conv2.weight": (width, width, 3, 3)} | norm(f"{at}bn2", width)
            inputs = width
    return keys | linear("module.linear", 64, 10)


def digest(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Returns a digest of keys and shapes, in any order."""
    lines = (f"{key} {list(shape)}" for key, shape in sorted(shapes.items()))
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def drawn(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Returns tensors of these shapes, such that features neither vanish nor explode."""
    return dict(_drawn(shapes, torch.Generator().manual_seed(seed)))


def _drawn(shapes: Shapes, source: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    for key, shape in shapes.items():
        noise = torch.randn(shape, generator=source)
        if key.endswith("num_batches_tracked"):
            yield key, torch.tensor(7)
        elif key.endswith(("running_var", "pixel_std", "pool_layer.p")):
            yield key, 1 + torch.rand(shape, generator=source)
        elif key.startswith("pixel_mean"):
            yield key, 100 + noise
        elif len(shape) > 1:
            yield key, noise / math.sqrt(math.prod(shape[1:]))
        elif key.endswith("weight"):
            yield key, (0.5 if "bn3" in key else 1.0) + 0.1 * noise
        else:
            yield key, 0.1 * noise


def blank(shapes: Shapes) -> dict[str, Tensor]:
    """Returns tensors of these shapes that take no room, for what reads no more than keys."""
    return {key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}
