"""What the options of every training strategy share."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from reid_srdl.config.option import WHAT, Option
from reid_srdl.config.section import Section

# T of softened predictions. Below 0.01 logits that are a fifth apart give a softmax of one and
# zeros in float32's terms: nothing is softened. Above 1000 predictions are uniform but for their
# rounding, 1e-7, and that times T^2 is as large as any term of the loss.
Temperature = Annotated[float, Field(ge=0.01, le=1000)]
Epochs = Annotated[int, Field(ge=1, le=10**6)]


class MethodOptions(Section):
    """What every training strategy has: its name. Each method's file adds its own options."""

    name: Annotated[
        str,
        Option(
            "--method",
            "{methods}, or FILE.py:NAME for one of your own; default: {default}.",
            WHAT,
        ),
    ] = "srdl"
    digest: str | None = Field(
        None, description="of the file of a method of one's own; filled in, never given"
    )


class UnreadOptions(MethodOptions):
    """The options of a method of one's own whose file is not run: whatever they are."""

    model_config = ConfigDict(extra="allow")
