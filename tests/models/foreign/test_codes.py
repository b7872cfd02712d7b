"""Files of other codes, told by their keys: their features are those of their own passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.models.changes import (
    IBN,
    BNNeck,
    Bottleneck,
    CentredShortcut,
    Change,
    GeM,
    LastStride,
    NoLastReLU,
    NonLocal,
    Normalised,
    NormNeck,
    Stem,
)
from reid_srdl.models.foreign.found import Told
from reid_srdl.models.foreign.network import Foreign, read_foreign
from reid_srdl.models.foreign.parts import normalised_by
from tests.models.foreign import forward, keys

Forward = Callable[[dict[str, Tensor], Tensor], Tensor]
STRIDE, CLOSED = {"stride": "2", "circle": "no"}, (64, 32)


def read(path: Path, state: object, model: str, told: dict[str, str] | None = None) -> Foreign:
    file = path / "file.pth"
    torch.save(state, file)
    try:
        return read_foreign(file, model, size=CLOSED, told=Told(told or {}))
    finally:
        file.unlink()  # of a hundred megabytes


def both(foreign: Foreign, state: dict[str, Tensor], theirs: Forward) -> Iterator[Tensor]:
    """Yields the features of 8 images: ours, and by the code's own forward pass."""
    images = torch.randn(8, 3, *CLOSED, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        yield foreign.network(images).features
        yield theirs(state, images)


# The digest is of the key list that was made from the code itself.
CODES: dict[str, tuple[str, keys.Shapes, Forward, str, dict[str, str], tuple[Change, ...]]] = {
    "fast-reid BoT": (
        "81f8d88f5f3d11d6",
        keys.fast_reid(),
        partial(forward.fast_reid, pool=forward.ceiled),
        "resnet50",
        {},
        (LastStride(), Stem("ceil"), NormNeck()),
    ),
    "fast-reid BoT IBN": (
        "064a0c689d56dcf6",
        keys.fast_reid(ibn=True),
        partial(forward.fast_reid, pool=forward.ceiled),
        "resnet50",
        {},
        (IBN(), LastStride(), Stem("ceil"), NormNeck()),
    ),
    "fast-reid SBS": (
        "a7e34eddca34f29a",
        keys.fast_reid(sbs=True),
        partial(forward.fast_reid, pool=forward.ceiled),
        "resnet50",
        {},
        (LastStride(), Stem("ceil"), NonLocal(), GeM(), NormNeck()),
    ),
    "fast-reid v0.1.1 BoT IBN": (
        "287f2d46895edfc7",
        keys.fast_reid(old=True, ibn=True),
        partial(forward.fast_reid, pool=forward.padded),
        "resnet50",
        {},
        (IBN(), LastStride(), NormNeck()),
    ),
    "fast-reid v0.1.1 SBS": (
        "9dba7b3e8cd2572f",
        keys.fast_reid(old=True, sbs=True),
        partial(forward.fast_reid, pool=forward.ceiled),
        "resnet50",
        {"pool": "ceil", "recipe": "sbs"},
        (LastStride(), Stem("ceil"), NonLocal(), GeM(), NormNeck()),
    ),
    "reid-strong-baseline": (
        "33cc9c891a15aa06",
        keys.strong_baseline(),
        forward.strong_baseline,
        "resnet50",
        {},
        (Stem("no-relu"), LastStride(), NormNeck()),
    ),
    "reid-strong-baseline IBN": (
        "3848edf74d20d665",
        keys.strong_baseline(ibn=True),
        forward.strong_baseline,
        "resnet50",
        {"stride": "1"},
        (IBN(), LastStride(), NormNeck()),
    ),
    "layumi": (
        "630111625b4c80c6",
        keys.layumi_resnet(),
        partial(forward.layumi_resnet, stride=1),
        "resnet50",
        STRIDE | {"stride": "1"},
        (LastStride(), Bottleneck(512)),
    ),
    "layumi without its linear layer": (
        "dab39aa77209c1ee",
        keys.layumi_resnet(width=0),
        partial(forward.layumi_resnet, stride=2),
        "resnet50",
        STRIDE,
        (NormNeck(bias=True),),
    ),
    "layumi DenseNet-121": (
        "96fb74201943bb2b",
        keys.layumi_dense(),
        forward.layumi_dense,
        "densenet121",
        STRIDE | {"circle": "yes"},
        (NoLastReLU(), Bottleneck(512)),
    ),
}


@pytest.mark.parametrize("code", CODES)
def test_features_are_those_of_the_codes_own_forward_pass(code: str, tmp_path: Path) -> None:
    digest, shapes, theirs, model, told, changes = CODES[code]
    assert keys.digest(shapes) == digest
    state = keys.drawn(shapes)
    foreign = read(tmp_path, {"model": state, "epoch": 3}, model, told)
    assert foreign.network.spec.changes[:-1] == changes
    ours, expected = both(foreign, state, theirs)
    assert expected.std() > 0.1
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)
    _every_key_is_used_or_named(foreign, state)


def _every_key_is_used_or_named(foreign: Foreign, state: dict[str, Tensor]) -> None:
    told = " ".join(foreign.notes)
    used = {value.numel() for value in foreign.network.state_dict().values()}
    held = [value.flatten()[:5].tolist() for value in foreign.network.state_dict().values()]
    for key, value in state.items():
        named = key in told or (key in ("heads.weight", "heads.classifier.weight"))
        normalises = key.startswith("pixel_")
        there = value.numel() in used and value.flatten()[:5].tolist() in held
        assert there or normalises or (named and "left out" in told), key


def test_akamasters_resnets_are_read_with_their_normalisation(tmp_path: Path) -> None:
    shapes = keys.akamaster()
    assert keys.digest(shapes) == "a0c71d19140b703e"
    whole = keys.drawn(shapes)
    # The published file has no counters.
    state = {key: value for key, value in whole.items() if "num_batches" not in key}
    torch.save({"state_dict": state, "best_prec1": 92.6}, tmp_path / "m.th")
    foreign = read_foreign(tmp_path / "m.th", "resnet32")
    assert (foreign.size, foreign.found.code) == ((32, 32), "akamaster")
    assert foreign.network.spec.changes[0] == CentredShortcut()
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, expected = foreign.network(images), forward.akamaster(state, images)
    torch.testing.assert_close(ours.features, expected, rtol=0, atol=1e-5)
    logits = expected @ state["module.linear.weight"].mT + state["module.linear.bias"]
    torch.testing.assert_close(ours.logits, logits, rtol=0, atol=1e-5)
    with pytest.raises(UserError, match=r"no place for group1\.3"):
        read_foreign(tmp_path / "m.th", "resnet20")
    with pytest.raises(UserError, match="of akamaster, which is not resnet50"):
        read_foreign(tmp_path / "m.th", "resnet50")


def test_a_neck_whose_shift_stayed_at_zero_is_bnneck(tmp_path: Path) -> None:
    state = keys.blank(keys.fast_reid())
    foreign = read(tmp_path, state, "resnet50")
    assert BNNeck() in foreign.network.spec.changes
    assert foreign.network.spec.classes == 751
    assert "neck.bias" not in foreign.network.state_dict()


def test_pixels_are_normalised_by_the_files_own_buffers() -> None:
    mean = torch.tensor([123.675, 116.28, 103.53]).reshape(1, 3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).reshape(1, 3, 1, 1)
    assert normalised_by(mean, std) == Normalised((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    other = normalised_by(mean, 2 * std)
    assert isinstance(other, Normalised)
    assert other.std == pytest.approx((0.458, 0.448, 0.45))
    with pytest.raises(UserError, match="pixel_mean and pixel_std"):
        normalised_by(mean, 0 * std)


def _less(shapes: keys.Shapes, *without: str) -> keys.Shapes:
    return {key: shape for key, shape in shapes.items() if not key.startswith(without)}


@pytest.mark.parametrize(
    ("shapes", "model", "told", "what", "hint"),
    [
        (keys.layumi_resnet(), "resnet50", {}, "do not show stride", "--told stride=2"),
        (keys.layumi_resnet(), "resnet50", {"stride": "1"}, "not show circle", "circle=no"),
        (
            keys.layumi_dense(),
            "densenet121",
            STRIDE | {"stride": "1"},
            "its stride 1 is not",
            "eval",
        ),
        (keys.layumi_resnet(), "resnet50", STRIDE | {"stride": "3"}, "stride=3", "stride=1"),
        (
            _less(keys.fast_reid(sbs=True), "heads.pool_layer"),
            "resnet50",
            {},
            "AGW: the exponent of GeM",
            "--told p=NUMBER",
        ),
        (
            _less(keys.fast_reid(), "heads.weight") | {"heads.classifier.weight": (9, 2048)},
            "resnet50",
            {},
            "do not show pool",
            "--told pool=ceil",
        ),
        (
            _less(keys.strong_baseline(), "bottleneck") | {"classifier.bias": (751,)},
            "resnet50",
            {},
            "do not show stride",
            "--told stride=2",
        ),
        (keys.fast_reid(), "resnet50", {"circle": "no"}, "--told circle: says nothing", "stride"),
        (keys.fast_reid(), "resnet50", {"recipe": "agw"}, "recipe=agw: the keys", "leave it out"),
        (keys.fast_reid(sbs=True), "resnet50", {"p": "3"}, "p=3: the keys of", "leave it out"),
        (keys.fast_reid(), "densenet121", {}, "fast-reid, which is not densenet121", "resnet50"),
        (
            keys.fast_reid() | keys.linear("heads.extra", 4, 4),
            "resnet50",
            {},
            r"no place for heads\.extra\.weight, heads\.extra\.bias",
            "name the network",
        ),
        (_less(keys.fast_reid(), "backbone.layer4.2"), "resnet50", {}, "lacks layer4.2.", "name"),
    ],
)
def test_what_keys_cannot_show_is_asked_for_and_what_has_no_place_is_named(
    shapes: keys.Shapes, model: str, told: dict[str, str], what: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=what) as caught:
        read(tmp_path, keys.blank(shapes), model, told)
    assert hint in caught.value.hint


def test_agw_is_read_once_its_exponent_is_told(tmp_path: Path) -> None:
    state = keys.drawn(_less(keys.fast_reid(sbs=True), "heads.pool_layer"))
    foreign = read(tmp_path, state, "resnet50", {"p": "3"})
    theirs = state | {"heads.pool_layer.p": torch.tensor([3.0])}
    ours, expected = both(foreign, theirs, partial(forward.fast_reid, pool=forward.ceiled))
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


def test_agw_and_sbs_of_before_are_told_apart_by_the_user(tmp_path: Path) -> None:
    state = keys.blank(keys.fast_reid(old=True, sbs=True))
    state["pixel_std"] = torch.full((1, 3, 1, 1), 58.0)
    torch.save(state, tmp_path / "f")
    with pytest.raises(UserError, match="the keys do not show recipe") as caught:
        read_foreign(tmp_path / "f", "resnet50")
    assert "--told recipe=sbs (images of 384 x 128" in caught.value.hint
    found = {
        recipe: read_foreign(tmp_path / "f", "resnet50", told=Told({"recipe": recipe}))
        for recipe in ("agw", "sbs")
    }
    assert (found["agw"].size, found["sbs"].size) == ((256, 128), (384, 128))
    assert "classifier.weight" in found["agw"].found.ends
    assert "classifier.weight" not in found["sbs"].found.ends
    assert any("resizes images bicubically" in note for note in found["agw"].notes)


_OPTION_B = _less(keys.akamaster(), "module.linear") | {
    "module.layer2.0.downsample.0.weight": (32, 16, 1, 1),
    **keys.linear("module.fc", 64, 100),
}


@pytest.mark.parametrize(
    ("shapes", "name"),
    [
        ({"base.cls_token": (1, 1, 8), "bottleneck.weight": (8,)}, "TransReID"),
        ({"base.conv1.weight": (1,), "b1.0.norm.weight": (8,)}, "TransReID"),
        (_OPTION_B, "mdistiller or RepDistiller"),
        ({key.replace("module.", "module.student."): s for key, s in _OPTION_B.items()}, "mdistil"),
        ({"block1.layer.0.conv1.weight": (32, 16, 3, 3), "fc.bias": (9,)}, "mdistiller"),
        ({"conv1.0.weight": (64, 3, 3, 3), "conv2_x.0.shortcut.0.weight": (1,)}, "cifar100"),
        (keys.layumi_resnet() | {"usam_1.conv.weight": (1,)}, "USAM"),
        (keys.akamaster() | {"module.layer2.0.shortcut.0.weight": (1,)}, "akamaster with option"),
    ],
)
def test_codes_that_are_not_read_are_named(shapes: keys.Shapes, name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=name) as caught:
        read(tmp_path, keys.blank(shapes), "resnet32")
    assert "which is not read" in caught.value.what
    assert "--features" in caught.value.hint
