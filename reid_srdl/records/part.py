"""What all typed records are made of."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
UtcTime = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class RecordPart(BaseModel):
    """A part of a record: nothing unknown in it, nothing that changes, only finite numbers."""

    # NaN and infinity are no JSON: a record that held one could not be read by other software.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
