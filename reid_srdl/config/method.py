"""What the options of every training strategy share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reid_srdl.config.option import WHAT, Option
from reid_srdl.config.section import Section


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
