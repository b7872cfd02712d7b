"""What other codes' networks compute, in plain torch from the tensors by their own keys.

Written from the sources at the commits that ``reid_srdl/models/foreign`` names, by nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

State = Mapping[str, Tensor]
Pool = Callable[[Tensor], Tensor]


def norm(s: State, at: str, x: Tensor) -> Tensor:
    """Batch norm; IBN-a where the keys have it."""
    if f"{at}.IN.weight" in s:
        half = x.shape[1] // 2
        first = F.instance_norm(x[:, :half], weight=s[f"{at}.IN.weight"], bias=s[f"{at}.IN.bias"])
        return torch.cat((first, norm(s, f"{at}.BN", x[:, half:])), dim=1)
    statistics = s[f"{at}.running_mean"], s[f"{at}.running_var"]
    return F.batch_norm(x, *statistics, s[f"{at}.weight"], s[f"{at}.bias"])


def padded(x: Tensor) -> Tensor:
    """The first max pooling as He et al. have it."""
    return F.max_pool2d(x, 3, 2, padding=1)


def ceiled(x: Tensor) -> Tensor:
    """The first max pooling as fast-reid has it since November 2020."""
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def attended(s: State, at: str, x: Tensor) -> Tensor:
    """fast-reid's non-local block."""
    theta, phi, g = (
        F.conv2d(x, s[f"{at}.{part}.weight"], s[f"{at}.{part}.bias"]).flatten(2).mT
        for part in ("theta", "phi", "g")
    )
    y = (theta @ phi.mT / phi.shape[1]) @ g
    y = y.mT.reshape(len(x), 1, *x.shape[2:])
    return norm(s, f"{at}.W.1", F.conv2d(y, s[f"{at}.W.0.weight"], s[f"{at}.W.0.bias"])) + x


def resnet50(
    s: State, at: str, x: Tensor, *, last: int, pool: Pool = padded, relu: bool = True
) -> Tensor:
    """Maps images to the last maps."""
    x = norm(s, f"{at}bn1", F.conv2d(x, s[f"{at}conv1.weight"], stride=2, padding=3))
    x = pool(x.relu() if relu else x)
    for layer, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            b = f"{at}layer{layer}.{block}."
            stride = (1, 2, 2, last)[layer - 1] if block == 0 else 1
            y = norm(s, f"{b}bn1", F.conv2d(x, s[f"{b}conv1.weight"])).relu()
            y = norm(s, f"{b}bn2", F.conv2d(y, s[f"{b}conv2.weight"], None, stride, 1)).relu()
            y = norm(s, f"{b}bn3", F.conv2d(y, s[f"{b}conv3.weight"]))
            if block == 0:
                x = F.conv2d(x, s[f"{b}downsample.0.weight"], stride=stride)
                x = norm(s, f"{b}downsample.1", x)
            x = (y + x).relu()
            place = block - {2: 2, 3: 3}.get(layer, 9)
            if f"{at}NL_{layer}.{place}.g.weight" in s:
                x = attended(s, f"{at}NL_{layer}.{place}", x)
    return x


def fast_reid(s: State, x: Tensor, pool: Pool) -> Tensor:
    """BoT, or SBS with GeM; what is ranked."""
    x = resnet50(s, "backbone.", x, last=1, pool=pool)
    if "heads.pool_layer.p" in s:
        p = s["heads.pool_layer.p"]
        x = F.adaptive_avg_pool2d(x.clamp(min=1e-6).pow(p), 1).pow(1 / p).flatten(1)
    else:
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
    return norm(s, "heads.bnneck" if "heads.bnneck.weight" in s else "heads.bottleneck.0", x)


def strong_baseline(s: State, x: Tensor) -> Tensor:
    """The feature after the neck; the plain ResNet has no first ReLU."""
    x = resnet50(s, "base.", x, last=1, relu="base.layer1.0.bn1.IN.weight" in s)
    return norm(s, "bottleneck", x.mean(dim=(2, 3)))


def class_block(s: State, x: Tensor) -> Tensor:
    """layumi's head up to the feature, with --linear_num 0 the norm alone."""
    at = "classifier.add_block."
    if s[f"{at}0.weight"].dim() == 1:
        return norm(s, f"{at}0", x)
    return norm(s, f"{at}1", F.linear(x, s[f"{at}0.weight"], s[f"{at}0.bias"]))


def layumi_resnet(s: State, x: Tensor, stride: int) -> Tensor:
    """ft_net."""
    return class_block(s, resnet50(s, "model.", x, last=stride).mean(dim=(2, 3)))


def layumi_dense(s: State, x: Tensor) -> Tensor:
    """ft_net_dense: DenseNet-121 without a ReLU behind its last norm."""
    at = "model.features."
    x = norm(s, f"{at}norm0", F.conv2d(x, s[f"{at}conv0.weight"], stride=2, padding=3)).relu()
    x = padded(x)
    for block, layers in enumerate((6, 12, 24, 16), start=1):
        for layer in range(1, layers + 1):
            b = f"{at}denseblock{block}.denselayer{layer}."
            y = F.conv2d(norm(s, f"{b}norm1", x).relu(), s[f"{b}conv1.weight"])
            y = F.conv2d(norm(s, f"{b}norm2", y).relu(), s[f"{b}conv2.weight"], padding=1)
            x = torch.cat((x, y), dim=1)
        if block < 4:
            b = f"{at}transition{block}."
            x = F.avg_pool2d(F.conv2d(norm(s, f"{b}norm", x).relu(), s[f"{b}conv.weight"]), 2)
    return class_block(s, norm(s, f"{at}norm5", x).mean(dim=(2, 3)))


def akamaster(s: State, x: Tensor, blocks: int = 5) -> Tensor:
    """The pooled feature of a ResNet for small images, with shortcuts of option A."""
    x = norm(s, "module.bn1", F.conv2d(x, s["module.conv1.weight"], padding=1)).relu()
    for layer in (1, 2, 3):
        for block in range(blocks):
            b = f"module.layer{layer}.{block}."
            stride = 2 if layer > 1 and block == 0 else 1
            y = norm(s, f"{b}bn1", F.conv2d(x, s[f"{b}conv1.weight"], None, stride, 1)).relu()
            y = norm(s, f"{b}bn2", F.conv2d(y, s[f"{b}conv2.weight"], padding=1))
            if stride == 2:
                planes = y.shape[1]
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, planes // 4, planes // 4))
            x = (y + x).relu()
    return F.avg_pool2d(x, x.shape[3]).flatten(1)
