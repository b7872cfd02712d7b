"""A key that holds where first weights come from: ``RUN:PHASE@EPOCH#DIGEST``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

_FORM = re.compile(
    r"(?P<run>.+):(?P<phase>[^:@#/]+)(@(?P<epoch>[0-9]{1,7}))?(#(?P<digest>[0-9a-f]{32}))?"
)


@dataclass(frozen=True)
class Start:
    """A phase's checkpoint.

    Attributes:
        run: the run's folder; in a record its name.
        phase: the phase.
        epoch: how many of its epochs are done; None: the last one of which there is a checkpoint.
        digest: of the checkpoint; None where nobody has looked yet.
    """

    run: str
    phase: str
    epoch: int | None = None
    digest: str | None = None

    def __str__(self) -> str:
        epoch = "" if self.epoch is None else f"@{self.epoch}"
        digest = "" if self.digest is None else f"#{self.digest}"
        return f"{self.run}:{self.phase}{epoch}{digest}"

    @property
    def label(self) -> str:
        """How tables name it: without the run's place and without the digest."""
        return f"{Path(self.run).name}:{self.phase}@{self.epoch}"


def parse_start(text: str) -> Start:
    """Reads ``RUN:PHASE@EPOCH#DIGEST``, of which the last two may be missing.

    Raises:
        ValueError: it is not of this form.

    >>> parse_start("runs/a:first@3").label
    'a:first@3'
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("write it as RUN:PHASE or RUN:PHASE@EPOCH")
    epoch = found["epoch"]
    return Start(found["run"], found["phase"], int(epoch) if epoch else None, found["digest"])


def _checked(text: str) -> str:
    return str(parse_start(text))


StartText = Annotated[str, AfterValidator(_checked)]
