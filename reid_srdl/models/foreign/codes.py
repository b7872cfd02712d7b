"""The codes whose files are known by their keys; a new one is a file and a row here.

What stands in neither table is taken for a file of the library that ``--model`` names, or of
torchvision's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from reid_srdl.errors import UserError
from reid_srdl.models.foreign import akamaster, fast_reid, layumi, strong_baseline
from reid_srdl.models.foreign.found import Code, Refused

if TYPE_CHECKING:
    from reid_srdl.models.foreign.found import State

_RESNETS = ("resnet18", "resnet50")
_SMALL = ("resnet20", "resnet32", "resnet56", "resnet110")

CODES: tuple[Code, ...] = (
    Code(fast_reid.NAME, _RESNETS, fast_reid.is_of, fast_reid.read, fast_reid.TOLD),
    Code(
        strong_baseline.NAME,
        _RESNETS,
        strong_baseline.is_of,
        strong_baseline.read,
        strong_baseline.TOLD,
    ),
    Code(layumi.NAME, ("resnet50", "densenet121"), layumi.is_of, layumi.read, layumi.TOLD),
    Code(akamaster.NAME, _SMALL, akamaster.is_of, akamaster.read),
)

REFUSED: tuple[Refused, ...] = (
    Refused(
        "TransReID",
        lambda state: has(state, r"base\.(cls_token|pos_embed)|b[12]\..*|.*bottleneck_[1-4]\..*"),
        "its transformer overlaps patches, embeds cameras and mixes parts",
    ),
    Refused(
        "layumi's with USAM",
        lambda state: has(state, r"(.*\.)?usam_[12]\..*"),
        "its attention modules stand in no network here",
    ),
    Refused(
        "pytorch-cifar100",
        lambda state: has(state, r"conv2_x\..*"),
        "its stem keeps the size of small images, and its blocks have other names",
    ),
    Refused(
        "mdistiller or RepDistiller",
        lambda state: (
            has(state, r"(student\.)?block1\.layer\.0\.conv.*")
            or (has(state, r"(student\.)?layer[123]\.0\.downsample\..*") and not _is_deep(state))
        ),
        "its ResNets have shortcuts of convolutions (option B), those here have none",
    ),
    Refused(
        "akamaster with option B",
        lambda state: has(state, r"layer[23]\.0\.shortcut\..*") and "linear.weight" in state,
        "its shortcuts are convolutions, those here have none",
    ),
)


def has(state: State, pattern: str) -> bool:
    """Says whether a key is of this form."""
    whole = re.compile(pattern)
    return any(whole.fullmatch(key) for key in state)


def _is_deep(state: State) -> bool:
    """Says whether a network has a fourth layer, as those for large images have it."""
    return has(state, r"(.*\.)?layer4\..*")


def code_of(state: State, path: Path, model: str) -> Code | None:
    """Returns whose file it is by its keys; None: a library's.

    Args:
        state: its tensors by name.
        path: the file, for messages.
        model: the name that it is to be read as.

    Raises:
        UserError: a code that is not read, or one whose network has another name here.
    """
    for refused in REFUSED:
        if refused.is_of(state):
            raise UserError(
                f"{path}: a network of {refused.name}, which is not read: {refused.why}",
                "extract its features with its own code, then: reid-srdl eval --features FILE",
            )
    code = next((one for one in CODES if one.is_of(state)), None)
    if code is not None and model not in code.models:
        raise UserError(
            f"{path}: a network of {code.name}, which is not {model}",
            f"read it as --model {' or --model '.join(code.models)}",
            usage=True,
        )
    return code
