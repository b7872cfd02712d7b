"""The codes whose files are known by their keys; a new one is a file and a row here.

What stands in neither table is taken for a file of the library that ``--model`` names, or of
torchvision's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reid_srdl.errors import UserError
from reid_srdl.models.foreign.found import Code, Refused

if TYPE_CHECKING:
    from reid_srdl.models.foreign.found import State

CODES: tuple[Code, ...] = ()

REFUSED: tuple[Refused, ...] = ()


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
